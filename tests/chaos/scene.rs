//! What all campaigns of a run share: two servers of their own, and a small file system.

use std::process::Child;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};

use crate::faults::End;
use crate::full_disk::SmallDisk;
use crate::support::undertaker;

pub(crate) struct Scene {
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    /// Where the target databases lie; `None` where nothing may be mounted.
    pub(crate) disk: Option<SmallDisk>,
    _undertakers: [Child; 2],
}

impl Scene {
    pub(crate) fn start() -> Self {
        let settings = [("fsync", "off"), ("max_prepared_transactions", "5")];
        let options = ClusterOptions::with(&settings);
        let start = || Cluster::start(&options).unwrap();
        let (source, target) = (start(), start());
        let undertakers = [undertaker(&source), undertaker(&target)];
        let disk = SmallDisk::mount(&target);
        if let Err(reason) = &disk {
            eprintln!("chaos: no full file system among the faults: {reason}");
        }
        Self {
            source,
            target,
            disk: disk.ok(),
            _undertakers: undertakers,
        }
    }

    pub(crate) fn server(&self, end: End) -> &Cluster {
        match end {
            End::Source => &self.source,
            End::Target => &self.target,
        }
    }

    pub(crate) fn server_mut(&mut self, end: End) -> &mut Cluster {
        match end {
            End::Source => &mut self.source,
            End::Target => &mut self.target,
        }
    }

    /// A filled source and an empty target.
    pub(crate) fn create_databases(&self, name: &str) {
        self.source.create_database(name).unwrap();
        self.source.psql(name, include_str!("data.sql")).unwrap();
        let place = self
            .disk
            .as_ref()
            .map_or("pg_default", |_| SmallDisk::TABLESPACE);
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 TABLESPACE {place}");
        self.target.psql("postgres", &create).unwrap();
    }

    pub(crate) fn drop_databases(&self, name: &str) {
        self.source.drop_database(name).unwrap();
        self.target.drop_database(name).unwrap();
    }
}
