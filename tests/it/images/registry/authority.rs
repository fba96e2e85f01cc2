//! Certificate authorities of a company, for steps of a build alone: the registry is behind TLS, with
//! a certificate that no public authority signed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{Registry, address, built, workspace};
use crate::builders::{NEW_KEY, openssl};
use crate::support::container::Container;
use crate::support::daemon::{each_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild_with;
use crate::support::tree::Tree;
use crate::support::unique;
use slimbuild::Env;

/// TLS before a registry, by node.
struct Front {
    host: String,
    directory: tempfile::TempDir,
    program: Child,
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

const SCRIPT: &str =
    "const [port, key, cert] = process.argv.slice(1); const read = require('node:fs').readFileSync;
const front = require('node:tls').createServer({ key: read(key), cert: read(cert) }, (near) => {
  const far = require('node:net').connect(Number(port), '127.0.0.1');
  near.pipe(far); far.pipe(near);
  near.on('error', () => far.destroy()); far.on('error', () => near.destroy());
});
front.on('tlsClientError', () => {});
front.listen(0, '0.0.0.0', () => console.log(front.address().port));";

impl Front {
    fn start(registry: &Registry) -> Self {
        let directory = crate::support::temporary();
        let here = directory.path();
        openssl(
            here,
            &format!("req -x509 {NEW_KEY} -days 30 -subj /CN=company -keyout ca.key -out ca.pem"),
        );
        openssl(
            here,
            &format!("req {NEW_KEY} -subj /CN=registry -keyout key.pem -out request.pem"),
        );
        fs_err::write(
            here.join("names"),
            format!("subjectAltName=IP:{}\n", address()),
        )
        .unwrap();
        openssl(
            here,
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out cert.pem",
        );
        let port = registry.host.rsplit(':').next().unwrap();
        let mut program = Command::new("node")
            .args(["-e", SCRIPT, port])
            .args([here.join("key.pem"), here.join("cert.pem")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(program.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        Self {
            host: format!("{}:{}", address(), port.trim()),
            directory,
            program,
        }
    }

    fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A workspace that installs from here, and whose build asks here too.
    fn workspace(&self, registry: &Registry, token: &str) -> Tree {
        let tree = workspace(registry, token);
        let npmrc = tree.read(".npmrc").replace(&registry.host, &self.host);
        let npmrc = npmrc.replace("http://", "https://");
        tree.write(".npmrc", &format!("{npmrc}fetch-retries=0\n"));
        tree.write("turbo.json", "{}");
        let build = format!(
            "const fs = require('node:fs');
const bundle = fs.readFileSync(process.env.SSL_CERT_FILE, 'utf8');
if (!bundle.includes('BEGIN CERTIFICATE')) throw new Error('no bundle');
require('node:https').get('https://{}/', (answer) => fs.writeFileSync('length.txt', String(answer.statusCode)));\n",
            self.host
        );
        tree.write("apps/api/build.js", &build);
        tree
    }
}

#[test]
fn steps_trust_a_company_and_the_image_has_nothing_of_it() {
    let test = "steps_trust_a_company_and_the_image_has_nothing_of_it";
    let token = format!("token-{}", unique());
    each_daemon(test, |daemon| {
        let words = unique();
        let registry = Registry::start(&token, &words);
        let front = Front::start(&registry);
        let tree = front.workspace(&registry, &token);
        let tag = daemon.tag("authority");
        let arguments = ["apps/api", "-t", &tag.name, "--progress", "plain"];
        let authority = front.authority().display().to_string();

        let refused = built(daemon, &tree, &arguments, &[]);
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        let hint = "Give it to the build with `--ca FILE`.";
        assert!(refused.stderr.contains(hint), "{}", refused.stderr);
        let named = [("NODE_EXTRA_CA_CERTS", &*authority)];
        let refused = built(daemon, &tree, &arguments, &named);
        let hint =
            format!("NODE_EXTRA_CA_CERTS names a file with authorities here: `--ca {authority}`");
        assert!(refused.stderr.contains(&hint), "{}", refused.stderr);

        let trusting = [&arguments[..], &["--ca", &authority]].concat();
        built(daemon, &tree, &trusting, &[]).bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), format!("{words}, 401"));
        let certificate = fs_err::read_to_string(&authority).unwrap();
        let line = certificate.lines().nth(2).unwrap();
        for entry in container.files() {
            let text = String::from_utf8_lossy(&entry.content);
            assert!(!text.contains(line), "{}", entry.path);
        }
        let history = daemon.wait(daemon.client.image_history(&tag.name));
        let shown = format!("{:?}{history:?}", daemon.image(&tag.name));
        assert!(!shown.contains(line));

        // Another authority makes no other build.
        let other = front.directory.path().join("other.pem");
        fs_err::write(&other, format!("# two\n{certificate}")).unwrap();
        let again = [&arguments[..], &["--ca", other.to_str().unwrap()]].concat();
        let again = built(daemon, &tree, &again, &[]);
        let ran = again
            .stderr
            .lines()
            .find(|line| line.contains(" DONE ") && line.contains("pnpm"));
        assert_eq!(ran, None, "{}", again.stderr);
        again.bytes();
    });
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let registry = Registry::start(&token, &unique());
    let front = Front::start(&registry);
    let tree = front.workspace(&registry, &token);
    let authority = front.authority().display().to_string();
    let arguments = ["apps/api", "--engine", "native", "-q", "-o", "x.tar"];
    let refused = slimbuild_with(tree.root(), &arguments, &Env::of_process());
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("`--ca FILE`"), "{}", refused.stderr);
    let trusting = [&arguments[..], &["--ca", &authority]].concat();
    let made = slimbuild_with(tree.root(), &trusting, &Env::of_process());
    assert_eq!(made.text(), "x.tar\n");
}

#[test]
fn a_file_without_a_certificate_or_with_a_key_is_refused() {
    let tree = Tree::shop();
    for (content, why) in [
        ("hello", "holds no certificate in PEM format"),
        (
            "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n",
            "holds a private key, which no build should get",
        ),
    ] {
        tree.write("ca.pem", content);
        let words = ["apps/server", "--ca", "ca.pem"];
        let refused = slimbuild_with(tree.root(), &words, &Env::default());
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
}
