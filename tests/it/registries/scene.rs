//! The surroundings of one row: an imitation, a home directory with logins, helpers, variables.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use slimbuild::Env;

use super::imitation::{Asked, Dress, Gate, Imitation, Reply, State, Stream};

/// The password of `lab`, which no output may show.
pub(crate) const PASSWORD: &str = "s3cret-pass-word";
/// An identity token.
pub(crate) const IDENTITY: &str = "s3cret-identity";
/// Everything that no output may show.
pub(crate) const SECRETS: [&str; 6] = [
    PASSWORD,
    IDENTITY,
    "bGFiOnMzY3JldC1wYXNzLXdvcmQ", // `lab:s3cret-pass-word`
    "granted-",
    "s3cret-proxy",
    "stale-pass-word",
];

/// `USER:PASSWORD` as `auth` has it.
pub(crate) fn auth(pair: &str) -> String {
    BASE64_STANDARD.encode(pair)
}

/// The `auth` of the right login.
pub(crate) fn right() -> String {
    auth(&format!("lab:{PASSWORD}"))
}

type Rule = Box<dyn Fn(&Asked, usize) -> Option<Reply> + Send + Sync>;

/// What a row sets up.
pub(crate) struct Scene {
    pub(crate) home: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    /// The host of the names that are pushed, without a port.
    pub(crate) host: String,
    pub(crate) state: State,
    rules: Vec<Rule>,
    files: Vec<(String, String)>,
    links: Vec<(String, String)>,
    /// More arguments for the program.
    pub(crate) arguments: Vec<String>,
    /// The paths of the names. `PORT` stands for the imitation's port everywhere.
    pub(crate) names: Vec<String>,
    /// Whether the imitation has TLS, with a certificate for `host`.
    pub(crate) tls: bool,
}

/// A scene that has begun.
pub(crate) struct Begun {
    pub(crate) scene: Scene,
    pub(crate) imitation: Imitation,
}

impl Scene {
    pub(crate) fn new(path: &str) -> Self {
        let home = crate::support::temporary();
        let text = home.path().to_str().unwrap().to_owned();
        let path_variable = Env::of_process().get("PATH").unwrap_or_default().to_owned();
        let variables = [
            ("HOME", text.clone()),
            ("PATH", format!("{text}/bin:{path_variable}")),
        ];
        Self {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            home,
            host: "127.0.0.1".to_owned(),
            state: State::default(),
            rules: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            arguments: Vec::new(),
            names: vec![format!("HOST:PORT/{path}:1")],
            tls: false,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// A file of the home directory.
    pub(crate) fn file(&mut self, path: &str, text: impl Into<String>) {
        self.files.push((path.to_owned(), text.into()));
    }

    /// A file of the home directory that is another one.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.links.push((path.to_owned(), to.to_owned()));
    }

    /// Docker's configuration.
    pub(crate) fn config(&mut self, text: impl Into<String>) {
        self.file(".docker/config.json", text);
    }

    /// One login of Docker's configuration.
    pub(crate) fn entry(&mut self, key: &str, entry: &str) {
        self.config(format!(r#"{{"auths":{{"{key}":{entry}}}}}"#));
    }

    /// The right login.
    pub(crate) fn log_in(&mut self) {
        self.entry("HOST:PORT", &format!(r#"{{"auth":"{}"}}"#, right()));
    }

    /// Wants the password.
    pub(crate) fn wants_password(&mut self) {
        self.state.gate = Gate::Basic(format!("Basic {}", right()));
    }

    /// Wants a token, which the password gets.
    pub(crate) fn wants_token(&mut self) {
        self.state.gate = Gate::Tokens(format!("Basic {}", right()), IDENTITY.to_owned());
    }

    /// A credential helper.
    pub(crate) fn helper(&mut self, name: &str, script: &str) {
        let script = format!("#!/bin/sh\nread -r server\n{script}\n");
        self.file(&format!("bin/docker-credential-{name}"), script);
    }

    pub(crate) fn rule(
        &mut self,
        rule: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static,
    ) {
        self.rules.push(Box::new(rule));
    }

    /// Answers the first requests like this.
    pub(crate) fn answers(
        &mut self,
        method: &'static str,
        part: &'static str,
        times: usize,
        reply: fn() -> Reply,
    ) {
        self.rule(move |asked, count| (count < times && asked.is(method, part)).then(reply));
    }

    /// The scene with its imitation; `None` if something is missing here.
    pub(crate) fn begin(mut self) -> Option<Begun> {
        if self.host == "MACHINE" {
            self.host = machine()?.to_string();
        }
        let dress = if self.tls {
            dressed(&self.host, self.home.path())?
        } else {
            Box::new(|stream: TcpStream| Some(Box::new(stream) as Box<dyn Stream>)) as Dress
        };
        let listen = self.host.to_lowercase().replace("localhost", "127.0.0.1");
        let rules = std::mem::take(&mut self.rules);
        let state = std::mem::take(&mut self.state);
        let imitation = Imitation::start(&listen, rules, state, dress);
        let fill = |text: &str| {
            let text = text.replace("HOST", &self.host);
            text.replace("PORT", &imitation.port.to_string())
        };
        for (path, text) in &self.files {
            let path = self.home.path().join(fill(path));
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            // Another program writes it: a thread that starts a program would keep a file of ours open.
            let script = r#"printf '%s' "$1" > "$2" && chmod +x "$2""#;
            let mut write = Command::new("sh");
            write.args(["-c", script, "sh", &fill(text)]).arg(path);
            assert!(write.status().unwrap().success());
        }
        for (path, to) in &self.links {
            let path = self.home.path().join(fill(path));
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::copy(self.home.path().join(to), path).unwrap();
        }
        for value in self.variables.values_mut() {
            let home = self.home.path().to_str().unwrap();
            let text = value.replace("HOST:PORT", &format!("{}:{}", self.host, imitation.port));
            *value = text.replace("HOMEDIR", home);
        }
        for text in self.names.iter_mut().chain(&mut self.arguments) {
            let host = text.replace("HOST", &self.host);
            *text = host.replace("PORT", &imitation.port.to_string());
        }
        Some(Begun {
            scene: self,
            imitation,
        })
    }

    pub(crate) fn env(&self) -> Env {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }
}

/// An address of this machine beside those of the loopback.
fn machine() -> Option<IpAddr> {
    // Nothing is sent: the system only chooses the address.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Puts TLS on connections. The certificate's authority is `ca.pem` in the directory.
fn dressed(host: &str, directory: &Path) -> Option<Dress> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let kind = if host.parse::<IpAddr>().is_ok() {
        "IP"
    } else {
        "DNS"
    };
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -days 30 -keyout ca.key -out ca.pem && \
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=imitation -keyout key.pem -out request.pem && \
         printf 'subjectAltName={kind}:{host}' > names && \
         openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out cert.pem"
    );
    let made = Command::new("sh")
        .args(["-c", &script])
        .current_dir(directory)
        .output();
    if !made.ok()?.status.success() {
        return None;
    }
    let chain = CertificateDer::pem_file_iter(directory.join("cert.pem")).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    Some(Box::new(move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
        let stream = rustls::StreamOwned::new(connection, stream);
        Some(Box::new(stream) as Box<dyn Stream>)
    }))
}
