//! The installed PostgreSQL once more, with an extension of our own: a server finds its share
//! directory from where its own program lies, so a copied program finds a copied one.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pgpipe::demo::Programs;

/// The directories that `pg_config` knows, from the first on that all have in common.
struct Places {
    bin: PathBuf,
    share: PathBuf,
    libraries: PathBuf,
}

/// A directory with the programs of such an installation, removed when the test process is gone.
pub(crate) struct Installation {
    pub(crate) bin_dir: PathBuf,
    root: PathBuf,
    _undertaker: Child,
}

impl Installation {
    /// Makes it; `extension` holds the files of an extension.
    pub(crate) fn with_extension(extension: &Path) -> Self {
        let programs = Programs::find(None).unwrap();
        let installed = Places::ask(&programs.bin_dir().join("pg_config"));
        let root = tempfile::Builder::new()
            .prefix("pgpipe-installation-")
            .tempdir_in("/tmp")
            .unwrap()
            .keep();
        let undertaker = undertaker(&root);
        open_to_all(&root);
        let bin_dir = installed.copy_to(&root);
        let extensions = installed.within(&root, &installed.share).join("extension");
        link_all(extension, &extensions);
        Self {
            bin_dir,
            root,
            _undertaker: undertaker,
        }
    }

    /// A library of one C file, which servers load by its path.
    pub(crate) fn build(&self, source: &Path, define: &str) -> PathBuf {
        let name = source.file_stem().unwrap();
        let library = self.root.join(name).with_extension("so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wall", "-Werror", define, "-o"]);
        let built = cc.arg(&library).arg(source).output().unwrap();
        let stderr = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{stderr}");
        library
    }
}

impl Places {
    fn ask(pg_config: &Path) -> Self {
        let ask = |what: &str| {
            let answer = Command::new(pg_config).arg(what).output().unwrap();
            PathBuf::from(String::from_utf8(answer.stdout).unwrap().trim())
        };
        Self {
            bin: ask("--bindir"),
            share: ask("--sharedir"),
            libraries: ask("--pkglibdir"),
        }
    }

    /// Programs are copied, as they look for where they really are; all else is linked.
    fn copy_to(&self, root: &Path) -> PathBuf {
        let bin = self.within(root, &self.bin);
        fs::create_dir_all(&bin).unwrap();
        for program in fs::read_dir(&self.bin).unwrap().map(Result::unwrap) {
            fs::copy(program.path(), bin.join(program.file_name())).unwrap();
        }
        let libraries = self.within(root, &self.libraries);
        fs::create_dir_all(libraries.parent().unwrap()).unwrap();
        symlink(&self.libraries, libraries).unwrap();
        let share = self.within(root, &self.share);
        link_all(&self.share, &share);
        let extensions = share.join("extension");
        fs::remove_file(&extensions).unwrap();
        link_all(&self.share.join("extension"), &extensions);
        bin
    }

    fn within(&self, root: &Path, place: &Path) -> PathBuf {
        let mut common = self.bin.as_path();
        while !(self.share.starts_with(common) && self.libraries.starts_with(common)) {
            common = common.parent().unwrap();
        }
        root.join(place.strip_prefix(common).unwrap())
    }
}

/// Links everything in one directory into another, which is made.
fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let original = fs::canonicalize(entry.path()).unwrap();
        symlink(original, to.join(entry.file_name())).unwrap();
    }
}

/// The server runs as another user.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

fn undertaker(dir: &Path) -> Child {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; rm -rf "$1""#, "undertaker"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}
