//! From typed options to a running command, and from its end to an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::values::{Compress, KeepFree};
use super::{
    CloneOptions, Command, CommonOptions, DemoOptions, Exit, Interrupt, KeeperOptions, LinkEnd,
    LinkOptions, MigrationOptions, RecvOptions, SendOptions, SourceOptions, TargetOptions, ends,
    fail, password_warning, place, prompt_pair_code, status, tidy,
};
use crate::report::{
    Display, Ending, Meter, Mode, Outcome, Progress, Wish, log, one_line, summary,
};
use crate::schema::roles::RoleMap;
use crate::source::keeper;
use crate::transport::peering::{Code, LinkSpec};
use crate::wire::handshake::PairCode;
use crate::wire::message::Omit;
use crate::{clone, demo, recv, send};

/// Chunks that recv takes side by side at least: send knows its own server best.
const RECV_JOBS: usize = 8;
/// How long `clone` keeps trying to reach itself.
const CLONE_GIVE_UP: std::time::Duration = std::time::Duration::from_secs(60);
/// How long a stop waits for calls to a server that does not answer.
const BLOCKED_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs a command to its end.
pub fn run(command: Command) -> ExitCode {
    warn_of_passwords(&command);
    let exit = match command {
        Command::Recv(options) => receive(&options),
        Command::Send(options) => send(&options),
        Command::Clone(options) => clone(&options),
        Command::Demo(options) => demonstrate(&options),
        Command::Status(options) => status::status(&options),
        Command::Stop(options) => ends::stop(&options),
        Command::Abort(options) => ends::abort(&options),
        Command::Reset(options) => tidy::reset(&options),
        Command::Cleanup(options) => tidy::cleanup(&options),
        Command::Keeper(options) => keep(&options),
    };
    exit.into()
}

fn warn_of_passwords(command: &Command) {
    for (option, conninfo) in command.conninfos() {
        if let Some(warning) = password_warning(option, conninfo) {
            eprintln!("pgpipe: {warning}");
        }
    }
}

fn receive(options: &RecvOptions) -> Exit {
    let code = match &options.link.pair_file {
        Some(path) => Code::File {
            path: path.clone(),
            lifetime: options.pair_expires,
        },
        None => Code::Make {
            lifetime: options.pair_expires,
        },
    };
    let side = recv::Options {
        link: link(&options.link),
        code,
        stay: options.stay,
        clean: options.clean,
        give_up: options.link.give_up,
        stall: options.link.stall,
        ..target(&options.target, &options.common)
    };
    drive(&options.common, |display| async {
        recv::run(side, display)
            .await
            .map_err(|error| (error.is_resumable(), one_line(&error)))
    })
}

fn send(options: &SendOptions) -> Exit {
    let code = match &options.link.pair_file {
        Some(path) => Code::File {
            path: path.clone(),
            lifetime: std::time::Duration::ZERO,
        },
        None => Code::Ask(Arc::new(ask_code)),
    };
    let source = match source(&options.source, &options.common, options.clean) {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let side = send::Options {
        link: link(&options.link),
        code,
        rate: options.rate.map(|rate| rate.bytes_per_second),
        give_up: options.link.give_up,
        stall: options.link.stall,
        ..source
    };
    drive(&options.common, |display| async {
        send::run(side, display)
            .await
            .map_err(|error| (error.is_resumable(), one_line(&error)))
    })
}

fn ask_code() -> Result<PairCode, String> {
    let text = prompt_pair_code().map_err(|error| one_line(&error))?;
    text.parse()
        .map_err(|error: crate::wire::handshake::PairCodeError| error.to_string())
}

fn clone(options: &CloneOptions) -> Exit {
    let source = match source(&options.source, &options.common, options.clean) {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let target = recv::Options {
        clean: options.clean,
        ..target(&options.target, &options.common)
    };
    drive(&options.common, |display| async {
        clone::run(source, target, display)
            .await
            .map_err(|error| (error.is_resumable(), one_line(&error)))
    })
}

fn link(options: &LinkOptions) -> LinkSpec {
    match options.end() {
        LinkEnd::Listen(address) => LinkSpec::Listen(address),
        LinkEnd::Connect(address) => LinkSpec::Dial(address),
    }
}

fn state_root(options: &MigrationOptions) -> PathBuf {
    place::root(options.state.as_deref())
}

/// What belongs to the migration for good.
fn terms(options: &SourceOptions, clean: bool) -> Result<send::Terms, Exit> {
    let role_map = RoleMap::new(&options.map_role).map_err(|role| {
        eprintln!("pgpipe: --map-role gives the role {role} two names");
        Exit::Usage
    })?;
    Ok(send::Terms {
        role_map,
        clean,
        formats: options.format,
        omit: Omit {
            owner: options.no_owner,
            privileges: options.no_privileges,
            tablespaces: options.no_tablespaces,
        },
        make_roles: options.roles,
        ..options.selection.terms()
    })
}

/// Send's options but for the link, which its command sets.
fn source(
    options: &SourceOptions,
    common: &CommonOptions,
    clean: bool,
) -> Result<send::Options, Exit> {
    if let Some(option) = options.needs_export() {
        eprintln!(
            "pgpipe: {option} does not go with --snapshot single, which has one connection that ends with send"
        );
        return Err(Exit::Usage);
    }
    Ok(send::Options {
        source: options.source.clone(),
        selection: options.selection.selection(),
        terms: terms(options, clean)?,
        link: LinkSpec::Dial(String::new()),
        code: Code::Ask(Arc::new(ask_code)),
        state: state_root(&common.migration),
        migration: common.migration.migration.clone(),
        memory: common.memory,
        jobs: options.jobs(),
        chunk_bytes: options.chunk_size,
        compress: match options.compress {
            Compress::Auto => send::Compress::Auto,
            Compress::None => send::Compress::None,
            Compress::Level(level) => send::Compress::Level(level),
        },
        rate: None,
        snapshot: options.snapshot,
        keep_snapshot: options.keep_snapshot(),
        on_lost_snapshot: options.on_lost_snapshot,
        allow_changes: options.allow_changes,
        give_up: Some(CLONE_GIVE_UP),
        stall: CLONE_GIVE_UP,
        pg_bin: common.pg_bin.clone(),
        shares_process: false,
    })
}

/// Recv's options but for the link, which its command sets.
fn target(options: &TargetOptions, common: &CommonOptions) -> recv::Options {
    recv::Options {
        target: options.target.clone(),
        link: LinkSpec::Dial(String::new()),
        code: Code::Ask(Arc::new(ask_code)),
        state: state_root(&common.migration),
        migration: common.migration.migration.clone(),
        memory: common.memory,
        jobs: options.index_jobs().max(RECV_JOBS),
        index_jobs: options.index_jobs(),
        create_db: options.create_db,
        append: options.append,
        allow_downgrade: options.allow_downgrade,
        journal_schema: options.journal_schema.clone(),
        keep_journal: options.keep_journal,
        clean: false,
        keep_free: match options.keep_free {
            None => recv::KeepFree::IfSeen,
            Some(KeepFree::Nothing) => recv::KeepFree::Nothing,
            Some(KeepFree::Bytes(bytes)) => recv::KeepFree::Bytes(bytes),
        },
        stay: false,
        give_up: Some(CLONE_GIVE_UP),
        stall: CLONE_GIVE_UP,
        pg_bin: common.pg_bin.clone(),
    }
}

/// Runs one side with log, progress and signals, and tells how it ended.
fn drive<F>(common: &CommonOptions, side: impl FnOnce(Display) -> F) -> Exit
where
    F: Future<Output = Result<Outcome, (bool, String)>>,
{
    if let Err(error) = log::init(common.log.as_deref()) {
        return fail(&one_line(&error));
    }
    let runtime = match tokio_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let meter = Arc::new(Meter::new());
    let progress = match Progress::start(common.progress, Arc::clone(&meter)) {
        Ok(progress) => Arc::new(progress),
        Err(error) => return fail(&format!("cannot show progress: {error}")),
    };
    let ended = runtime.block_on(async {
        let (wish, notice) = (Wish::new(), Arc::clone(&progress));
        let stopping = move || notice.line("stopping; once more to stop at once");
        let interrupt = Interrupt::install(wish.clone(), stopping)
            .map_err(|error| (false, format!("cannot handle signals: {error}")))?;
        let (speaker, server) = (Arc::clone(&progress), Arc::clone(&progress));
        let display = Display {
            meter,
            say: Arc::new(move |text: &str| speaker.line(text)),
            say_of_server: Arc::new(move |text: &str| server.line(text)),
            stop: interrupt.stop(),
            wish,
        };
        side(display).await
    });
    runtime.shutdown_timeout(BLOCKED_LIMIT);
    if let Some(progress) = Arc::into_inner(progress) {
        progress.finish();
    }
    conclude(common, ended)
}

/// The transport's tasks only: rows are moved by threads of their own, and the session is polled by
/// the main thread. A second worker would be woken time and again to find nothing to do.
fn tokio_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

fn conclude(common: &CommonOptions, ended: Result<Outcome, (bool, String)>) -> Exit {
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err((true, line)) => {
            eprintln!("pgpipe: {line}");
            eprintln!("pgpipe: stopped; the same command goes on from there");
            return Exit::Resumable;
        }
        Err((false, line)) => return fail(&line),
    };
    if let Some(report) = &outcome.report {
        if common.progress != Mode::None {
            println!("{}", summary(report));
        }
        if let Some(path) = &common.report
            && let Err(error) = report.write(path)
        {
            return fail(&one_line(&error));
        }
    }
    match outcome.ending {
        Ending::Complete => Exit::Done,
        Ending::Stopped => {
            eprintln!("pgpipe: stopped; the same command goes on from there");
            Exit::Resumable
        }
        Ending::ObjectsMissing => Exit::Incomplete,
        Ending::SourceChanged => Exit::SourceChanged,
    }
}

fn demonstrate(options: &DemoOptions) -> Exit {
    let demo = demo::Options {
        rows: options.rows,
        pg_bin: options.pg_bin.clone(),
        baseline: !options.no_baseline,
        jobs: Some(options.jobs()),
        report: options.report.clone(),
        progress: options.progress.as_str().to_owned(),
    };
    match demo::run(&demo) {
        Ok(demo::ExitKind::Verified) => Exit::Done,
        Ok(demo::ExitKind::Different) => Exit::Failed,
        Ok(demo::ExitKind::Interrupted) => Exit::Resumable,
        Err(error) => fail(&one_line(&error)),
    }
}

fn keep(options: &KeeperOptions) -> Exit {
    match keeper::process::run(&options.state_dir) {
        Ok(()) => Exit::Done,
        Err(error) => fail(&one_line(&error)),
    }
}
