use std::os::unix::fs::PermissionsExt;

use super::*;

fn resolve(text: &str, env: &[(&str, &str)]) -> Result<ConnInfo, ConnInfoError> {
    ConnInfo::resolve(text, &|name| {
        let found = env.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn resolved(text: &str, env: &[(&str, &str)]) -> ConnInfo {
    resolve(text, env).unwrap()
}

fn tool_var(info: &ConnInfo, name: &str) -> Option<String> {
    let mut vars = info.tool_env().into_iter();
    vars.find(|(key, _)| key == name).map(|(_, value)| value)
}

#[test]
fn nothing_given_means_the_local_socket_and_the_own_name() {
    let info = resolved("", &[]);
    assert!(info.is_local());
    assert!(matches!(&info.hosts[0].place, Place::Unix(dir) if dir.starts_with('/')));
    assert_eq!(info.hosts[0].port, 5432);
    assert_eq!(info.dbname(), info.user());
    assert_eq!(info.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(info.tls.mode, SslMode::Prefer);
}

#[test]
fn given_wins_over_service_over_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("services");
    fs::write(&file, "[s]\nhost=service\nport=2\n").unwrap();
    let env = [
        ("PGSERVICEFILE", file.to_str().unwrap()),
        ("PGHOST", "env"),
        ("PGPORT", "1"),
        ("PGUSER", "env"),
    ];
    let info = resolved("service=s port=3", &env);
    assert_eq!(info.to_string(), "dbname=env host=service port=3 user=env");
    let info = resolved("postgresql:///x?service=s", &env);
    assert_eq!(info.to_string(), "dbname=x host=service port=2 user=env");
    let info = resolved("justaname", &env);
    assert_eq!(
        info.to_string(),
        "dbname=justaname host=env port=1 user=env"
    );
}

#[test]
fn several_hosts_and_ports() {
    let info = resolved("host=a,/s,::1 port=1,,3 user=u", &[]);
    let shown: Vec<_> = info.hosts.iter().map(Host::to_string).collect();
    assert_eq!(shown, ["a port 1", "/s/.s.PGSQL.5432", "::1 port 3"]);
    assert!(!info.is_local());
    assert!(
        resolved("host=a,b port=7", &[])
            .hosts
            .iter()
            .all(|h| h.port == 7)
    );
    assert!(resolve("host=a,b,c port=1,2", &[]).is_err());
    assert!(resolve("host=a,b hostaddr=127.0.0.1", &[]).is_err());
    assert!(resolve("host=a port=65536", &[]).is_err());
    assert!(resolve("hostaddr=example.org", &[]).is_err());
}

#[test]
fn local_is_socket_or_loopback() {
    for text in [
        "host=localhost",
        "host=127.0.0.1",
        "host=::1",
        "host=/x",
        "host=a hostaddr=::1",
    ] {
        assert!(resolved(text, &[]).is_local(), "{text}");
    }
    assert!(!resolved("host=localhost.example.org", &[]).is_local());
}

#[test]
fn the_password_never_shows() {
    let info = resolved("host=h user='a b' password=geheim", &[]);
    assert_eq!(info.to_string(), "dbname='a b' host=h port=5432 user='a b'");
    assert!(!format!("{info:?}").contains("geheim"));
    assert_eq!(tool_var(&info, "PGPASSWORD").as_deref(), Some("geheim"));
}

#[test]
fn the_password_file_is_asked_for_each_host_and_database() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".pgpass");
    fs::write(
        &file,
        "a:1:d:u:for-a\nb:*:*:u:for-b\nlocalhost:*:*:u:local\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let home = [("HOME", dir.path().to_str().unwrap())];
    let info = resolved("host=a,b,/var/run/postgresql port=1 user=u dbname=d", &home);
    let found: Vec<_> = info.hosts.iter().map(|h| info.password(h)).collect();
    assert_eq!(found, [Some("for-a"), Some("for-b"), Some("local")]);
    assert_eq!(tool_var(&info, "PGPASSWORD"), None);
    assert_eq!(tool_var(&info, "PGPASSFILE").as_deref(), file.to_str());
    let other = info.with_dbname("other");
    assert_eq!(other.password(&other.hosts[0]), None);
    let given = resolved("host=a port=1 user=u dbname=d password=p", &home);
    assert_eq!(given.password(&given.hosts[0]), Some("p"));
}

#[test]
fn tls_settings_are_checked() {
    let home = tempfile::tempdir().unwrap();
    let env = [("HOME", home.path().to_str().unwrap())];
    assert!(
        resolve("sslmode=verify-full", &env)
            .unwrap_err()
            .to_string()
            .contains("root.crt")
    );
    fs::create_dir(home.path().join(".postgresql")).unwrap();
    let root = home.path().join(".postgresql/root.crt");
    fs::write(&root, "").unwrap();
    assert_eq!(
        resolved("sslmode=verify-full", &env).tls.roots,
        Roots::File(root.clone())
    );
    assert_eq!(
        resolved("sslmode=require", &env).tls.roots,
        Roots::File(root)
    );
    assert_eq!(resolved("sslmode=prefer", &env).tls.roots, Roots::Unchecked);
    let system = resolved("sslrootcert=system", &[]);
    assert_eq!(
        (system.tls.mode, system.tls.roots),
        (SslMode::VerifyFull, Roots::System)
    );
    assert!(resolve("sslrootcert=system sslmode=require", &[]).is_err());
    assert!(resolve("sslmode=on", &[]).is_err());
}

#[test]
fn timeouts_and_session_attributes() {
    assert_eq!(resolved("connect_timeout=0", &[]).connect_timeout, None);
    assert_eq!(
        resolved("", &[("PGCONNECT_TIMEOUT", "3")]).connect_timeout,
        Some(Duration::from_secs(3))
    );
    assert!(resolve("connect_timeout=soon", &[]).is_err());
    assert_eq!(
        resolved("target_session_attrs=standby", &[]).session_attrs,
        SessionAttrs::Standby
    );
    assert!(resolve("target_session_attrs=prefer-standby", &[]).is_err());
    assert_eq!(resolved("keepalives=0", &[]).keepalive, None);
    assert!(resolve("", &[("PGGSSENCMODE", "require")]).is_err());
}

#[test]
fn the_user_is_looked_up_by_number() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
    assert_eq!(passwd_name(passwd, 101).as_deref(), Some("postgres"));
    assert_eq!(passwd_name(passwd, 7), None);
}
