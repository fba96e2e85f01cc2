//! Containers: started read-only, asked over HTTP, looked into, and removed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{LogsOptions, RemoveContainerOptions, StopContainerOptions};
use futures_util::TryStreamExt;

use super::archive::{Entry, entries};
use super::daemon::Daemon;

/// How long a program may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A container that goes when the value goes.
pub(crate) struct Container<'d> {
    daemon: &'d Daemon,
    id: String,
}

impl<'d> Container<'d> {
    /// Makes one without starting it, with a file system that cannot be written to.
    pub(crate) fn create(daemon: &'d Daemon, image: &str, port: u16) -> Self {
        Self::created(daemon, image, port, true)
    }

    fn created(daemon: &'d Daemon, image: &str, port: u16, read_only: bool) -> Self {
        Self::made(daemon, image, Self::body(port, read_only))
    }

    fn body(port: u16, read_only: bool) -> ContainerCreateBody {
        let published = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: None,
        };
        let port = format!("{port}/tcp");
        ContainerCreateBody {
            exposed_ports: Some(vec![port.clone()]),
            host_config: Some(HostConfig {
                readonly_rootfs: Some(read_only),
                port_bindings: Some([(port, Some(vec![published]))].into_iter().collect()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    fn made(daemon: &'d Daemon, image: &str, body: ContainerCreateBody) -> Self {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            ..body
        };
        let made = daemon.wait(daemon.client.create_container(None, body));
        Self {
            daemon,
            id: made.unwrap().id,
        }
    }

    /// What an image's program writes when it gets these arguments instead of its own.
    pub(crate) fn output(daemon: &'d Daemon, image: &str, arguments: &[&str]) -> String {
        let body = ContainerCreateBody {
            cmd: Some(arguments.iter().map(|&word| word.to_owned()).collect()),
            ..ContainerCreateBody::default()
        };
        Self::written(daemon, image, body)
    }

    /// The same, in another directory than the image's own.
    pub(crate) fn output_in(
        daemon: &'d Daemon,
        image: &str,
        directory: &str,
        arguments: &[&str],
    ) -> String {
        let body = ContainerCreateBody {
            cmd: Some(arguments.iter().map(|&word| word.to_owned()).collect()),
            working_dir: Some(directory.to_owned()),
            ..ContainerCreateBody::default()
        };
        Self::written(daemon, image, body)
    }

    fn written(daemon: &'d Daemon, image: &str, body: ContainerCreateBody) -> String {
        let container = Self::made(daemon, image, body);
        daemon
            .wait(daemon.client.start_container(&container.id, None))
            .unwrap();
        let ended = daemon.client.wait_container(&container.id, None);
        let ended: Result<Vec<_>, _> = daemon.wait(ended.try_collect());
        ended.unwrap_or_else(|error| panic!("{error}: {}", container.log()));
        container.log()
    }

    /// Makes one and starts it.
    pub(crate) fn start(daemon: &'d Daemon, image: &str, port: u16) -> Self {
        let container = Self::create(daemon, image, port);
        daemon
            .wait(daemon.client.start_container(&container.id, None))
            .unwrap();
        container
    }

    /// Makes one whose file system can be written to where its user may, and starts it.
    pub(crate) fn start_writable(daemon: &'d Daemon, image: &str, port: u16) -> Self {
        let container = Self::created(daemon, image, port, false);
        daemon
            .wait(daemon.client.start_container(&container.id, None))
            .unwrap();
        container
    }

    /// Makes one with these variables, and starts it.
    pub(crate) fn start_with(daemon: &'d Daemon, image: &str, port: u16, env: &[&str]) -> Self {
        let body = ContainerCreateBody {
            env: Some(env.iter().map(|&word| word.to_owned()).collect()),
            ..Self::body(port, true)
        };
        let container = Self::made(daemon, image, body);
        daemon
            .wait(daemon.client.start_container(&container.id, None))
            .unwrap();
        container
    }

    /// Where other containers of the daemon reach it.
    pub(crate) fn own_address(&self) -> String {
        let inspection = self.daemon.client.inspect_container(&self.id, None);
        let network = self.daemon.wait(inspection).unwrap().network_settings;
        let networks = network.and_then(|network| network.networks);
        let mut addresses = networks
            .into_iter()
            .flatten()
            .filter_map(|(_, network)| network.ip_address);
        addresses
            .find(|address| !address.is_empty())
            .expect("an address")
    }

    /// Waits until it writes this, and stops it. Returns what it ended with.
    pub(crate) fn said(&self, words: &str) -> i64 {
        let began = Instant::now();
        while !self.log().contains(words) {
            let gone = !self.is_running() || began.elapsed() > PATIENCE;
            assert!(!gone, "it said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        self.stop()
    }

    /// The body of the answer to `GET PATH`, as soon as there is one.
    pub(crate) fn get(&self, port: u16, path: &str) -> String {
        let (head, body) = self.answer(port, path, "identity");
        assert!(head.contains(" 200 OK"), "{path}: {head}\n{body}");
        body
    }

    /// Head and body of the answer to `GET PATH`, whatever it is, by one who reads this encoding.
    pub(crate) fn answer(&self, port: u16, path: &str, encoding: &str) -> (String, String) {
        let began = Instant::now();
        loop {
            if let Some(answer) = self
                .addresses(port)
                .iter()
                .find_map(|address| get(address, path, encoding))
            {
                return answer;
            }
            let gone = !self.is_running() || began.elapsed() > PATIENCE;
            assert!(
                !gone,
                "no answer on port {port}; the container said:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where a port is reached: published on this machine, or on the daemon's own network.
    fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let inspection = self.daemon.client.inspect_container(&self.id, None);
        let network = self
            .daemon
            .wait(inspection)
            .unwrap()
            .network_settings
            .unwrap_or_default();
        let published = network
            .ports
            .unwrap_or_default()
            .remove(&format!("{port}/tcp"))
            .flatten();
        let published = published
            .into_iter()
            .flatten()
            .filter_map(|binding| Some(format!("127.0.0.1:{}", binding.host_port?)));
        let own = network
            .networks
            .unwrap_or_default()
            .into_values()
            .filter_map(|network| Some(format!("{}:{port}", network.ip_address?)));
        published
            .chain(own)
            .filter_map(|address| address.parse().ok())
            .collect()
    }

    fn is_running(&self) -> bool {
        self.state().0
    }

    /// Whether it runs, and what it ended with.
    fn state(&self) -> (bool, i64) {
        let inspection = self.daemon.client.inspect_container(&self.id, None);
        let state = self
            .daemon
            .wait(inspection)
            .unwrap()
            .state
            .unwrap_or_default();
        (
            state.running.unwrap_or_default(),
            state.exit_code.unwrap_or_default(),
        )
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let lines = self.daemon.client.logs(&self.id, Some(options));
        let lines: Vec<_> = self.daemon.wait(lines.try_collect()).unwrap_or_default();
        lines.iter().map(ToString::to_string).collect()
    }

    /// Asks it to stop, as `docker stop` does, and gives what it ended with: 137 where it had to be killed.
    pub(crate) fn stop(&self) -> i64 {
        let options = StopContainerOptions {
            t: Some(20),
            ..StopContainerOptions::default()
        };
        self.daemon
            .wait(self.daemon.client.stop_container(&self.id, Some(options)))
            .unwrap();
        self.state().1
    }

    /// All files of its image.
    pub(crate) fn files(&self) -> Vec<Entry> {
        let export = self.daemon.client.export_container(&self.id);
        let chunks: Vec<_> = self.daemon.wait(export.try_collect()).unwrap();
        entries(&chunks.concat())
    }
}

fn get(address: &SocketAddr, path: &str, encoding: &str) -> Option<(String, String)> {
    let timeout = Some(Duration::from_secs(5));
    let mut stream = TcpStream::connect_timeout(address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(timeout).ok()?;
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        let removal = self.daemon.client.remove_container(&self.id, Some(options));
        // There is nobody to tell in the middle of a failing test.
        drop(self.daemon.wait(removal));
    }
}
