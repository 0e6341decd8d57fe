//! Send's files.

use std::fs;

use crate::flaws::flaws;
use crate::interrupted::{Interrupted, told_once};

#[test]
fn a_damaged_file_of_send_is_named() {
    let run = Interrupted::new("send_files");
    for name in ["identity", "peer", "migration"] {
        let content = fs::read(run.file("send", name)).unwrap();
        let path = run.file("send", name).display().to_string();
        for (flawed, says) in flaws(&content) {
            run.with("send", name, &flawed, || {
                run.refuses("send", &[&path, says])
            });
        }
    }
    run.completes();
}

/// Of which recv may have a copy: but what is offered is send's.
#[test]
fn a_damaged_plan_or_archive_of_send_is_named() {
    let run = Interrupted::new("send_offer");
    for name in ["plan", "schema.dump"] {
        let path = run.file("send", name).display().to_string();
        let content = fs::read(run.file("send", name)).unwrap();
        let longer = [&content[..], b"more"].concat();
        for flawed in [
            &b""[..],
            b"# a note\n",
            &content[..content.len() / 2],
            &longer,
        ] {
            let _ = fs::remove_file(run.file("recv", name));
            run.with("send", name, flawed, || {
                let recv = run.start("recv");
                run.refuses("send", &[&path, "is damaged", "restore it"]);
                told_once(&recv.wait(), &["send: ", &path, "is damaged"]);
            });
        }
    }
    run.completes();
}
