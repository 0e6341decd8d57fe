//! The pairing code, and the line to paste on the source's host.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::Options;
use crate::report::units;
use crate::state::PairingState;
use crate::transport::peering::{Code, LinkSpec};

/// What recv prints while nobody is paired with it.
pub(super) fn invitation(
    options: &Options,
    code: &PairingState,
    local: Option<SocketAddr>,
) -> String {
    let shown = match &options.code {
        Code::File { path, .. } => format!("pairing code is in {}", path.display()),
        _ => format!("pairing code {}", code.code),
    };
    let until = code
        .expires
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    let hours = units::seconds(until.as_secs_f64());
    let link = match &options.link {
        LinkSpec::Listen(_) => format!("--connect {}", reachable(local)),
        LinkSpec::Dial(address) => format!("--listen {address}"),
    };
    let name = match options.migration.as_str() {
        "main" => String::new(),
        name => format!(" --migration {name}"),
    };
    let send = format!("pgpipe send {link}{name} --source 'dbname=…'");
    format!("{shown} (good for {hours}); on the source's host run:\n    {send}")
}

/// What the peer can dial: our own name where we listen on every address.
fn reachable(local: Option<SocketAddr>) -> String {
    match local {
        Some(address) if !address.ip().is_unspecified() => address.to_string(),
        Some(address) => {
            let name = rustix::system::uname();
            format!("{}:{}", name.nodename().to_string_lossy(), address.port())
        }
        None => "HOST:PORT".to_owned(),
    }
}
