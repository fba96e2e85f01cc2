//! The smoke test: starts an image, checks from inside whether it is up, and always removes its
//! container.

use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, LogsOptions, RemoveContainerOptions};
use futures_util::{StreamExt, TryStreamExt};

use super::error::after_build;
use super::{Docker, EngineError, client, runtime};
use crate::engine::Interrupt;
use crate::engine::smoke::{Answered, End, SmokeRequest, TAIL};
use crate::engine::unique_id::unique_id;
use crate::system::leftovers::Note;

/// How long removing a container may take while this process ends.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Removes running containers too, with their volumes.
fn by_force() -> RemoveContainerOptions {
    RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    }
}

impl Docker {
    /// Starts an image and waits until its program is up. The container is always removed, even
    /// after an interrupt.
    pub fn smoke(
        &self,
        image: &str,
        request: &SmokeRequest,
        interrupt: &Interrupt,
    ) -> Result<Answered, EngineError> {
        runtime()?.block_on(self.try_out(image, request, interrupt))
    }

    async fn try_out(
        &self,
        image: &str,
        request: &SmokeRequest,
        interrupt: &Interrupt,
    ) -> Result<Answered, EngineError> {
        let began = Instant::now();
        let mut made = Vec::new();
        let failed = |error| after_build("start it".to_owned(), &error);
        // This is not interruptible: the daemon would go on and create a container that nobody
        // removes.
        let containers = self.containers(image, request, &mut made).await;
        let end = match containers {
            Ok((id, probe)) => tokio::select! {
                biased;
                () = interrupt.raised() => Err(EngineError::Interrupted),
                end = self.watch(&id, probe.as_deref(), request) => end.map_err(failed),
            },
            Err(error) => Err(failed(error)),
        };
        let log = match (&end, made.first()) {
            (Ok(End::Dead(_) | End::Late(_)), Some((id, _))) => self.log(id, request).await,
            _ => Vec::new(),
        };
        // The probe uses the network of the other container, so it is removed first.
        for (id, _note) in made.iter().rev() {
            let removed = self.client.remove_container(id, Some(by_force())).await;
            if end.is_ok() {
                removed
                    .map_err(|error| after_build(format!("remove the container {id}"), &error))?;
            }
        }
        let (how, late) = match end? {
            End::Up(how) => {
                let took = began.elapsed();
                return Ok(Answered { how, took });
            }
            End::Dead(how) => (how, false),
            End::Late(how) => (how, true),
        };
        Err(EngineError::NotUp {
            image: image.to_owned(),
            how,
            late,
            log,
        })
    }

    /// Creates the container of the image, and one for the probe.
    async fn containers(
        &self,
        image: &str,
        request: &SmokeRequest,
        made: &mut Vec<(String, Note)>,
    ) -> Result<(String, Option<String>), bollard::errors::Error> {
        let env = request.env.iter();
        let env = env.map(|(name, value)| format!("{name}={value}")).collect();
        let body = ContainerCreateBody {
            env: Some(env),
            ..ContainerCreateBody::default()
        };
        let id = self.create(image, body, made).await?;
        let mut probe = None;
        if let Some(words) = &request.probe {
            // The probe's container has the same image and shares the first one's network: no port
            // must be published, and it works with remote daemons.
            let body = ContainerCreateBody {
                entrypoint: words.first().map(|word| vec![word.clone()]),
                cmd: words.get(1..).map(<[String]>::to_vec),
                host_config: Some(HostConfig {
                    network_mode: Some(format!("container:{id}")),
                    ..HostConfig::default()
                }),
                ..ContainerCreateBody::default()
            };
            probe = Some(self.create(image, body, made).await?);
        }
        Ok((id, probe))
    }

    /// Waits for the end of the probe or of the program, or for the timeout.
    async fn watch(
        &self,
        id: &str,
        probe: Option<&str>,
        request: &SmokeRequest,
    ) -> Result<End, bollard::errors::Error> {
        self.client.start_container(id, None).await?;
        let patience = request.patience();
        let mut ended = Box::pin(self.client.wait_container(id, None));
        let up = tokio::select! {
            biased;
            _ = ended.next() => None,
            up = self.ask(probe) => Some(up),
            () = tokio::time::sleep(patience) => Some(Ok(request.probe.is_none())),
        };
        let seconds = patience.as_secs();
        let said = match probe {
            Some(probe) => self.last_line(probe).await,
            None => format!("it runs for {seconds} s"),
        };
        match up {
            Some(Ok(true)) => Ok(End::Up(said)),
            // The probe cannot start if the program has ended.
            Some(Err(_)) | None if !self.runs(id).await? => self.dead(id, request).await,
            Some(Err(error)) => Err(error),
            Some(Ok(false)) | None => Ok(End::late(patience, &said)),
        }
    }

    /// Creates a container, and notes it for removal.
    async fn create(
        &self,
        image: &str,
        body: ContainerCreateBody,
        made: &mut Vec<(String, Note)>,
    ) -> Result<String, bollard::errors::Error> {
        let name = format!("slimbuild-smoke-{}", unique_id());
        let note = self.removal(name.clone());
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            labels: Some([("slimbuild.smoke".to_owned(), String::new())].into()),
            ..body
        };
        let options = CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        };
        let made_of = self.client.create_container(Some(options), body).await?;
        made.push((made_of.id.clone(), note));
        Ok(made_of.id)
    }

    /// Removes a container when a signal ends the process.
    fn removal(&self, name: String) -> Note {
        let host = self.host.clone();
        Note::act(move || {
            // Over a new connection: the existing one is tied to a thread that does not return to
            // it.
            let (Ok(client), Ok(runtime)) = (client(&host), runtime()) else {
                return;
            };
            let removed = async {
                let client = client.negotiate_version().await?;
                client.remove_container(&name, Some(by_force())).await
            };
            drop(runtime.block_on(async { tokio::time::timeout(REMOVAL_TIMEOUT, removed).await }));
        })
    }

    /// Runs the probe, which ends when the program is up.
    async fn ask(&self, probe: Option<&str>) -> Result<bool, bollard::errors::Error> {
        let Some(probe) = probe else {
            return std::future::pending().await;
        };
        self.client.start_container(probe, None).await?;
        let ended: Result<Vec<_>, _> = self.client.wait_container(probe, None).try_collect().await;
        if ended.is_ok() {
            return Ok(true);
        }
        let said = self.last_line(probe).await;
        let error = format!("the program that asks inside of the container failed: {said}");
        Err(std::io::Error::other(error).into())
    }

    /// The last line of a probe's output.
    async fn last_line(&self, id: &str) -> String {
        let lines = self.log(id, &SmokeRequest::default()).await;
        let line = lines.into_iter().rfind(|line| !line.trim().is_empty());
        line.unwrap_or_default()
    }

    async fn runs(&self, id: &str) -> Result<bool, bollard::errors::Error> {
        let state = self.client.inspect_container(id, None).await?.state;
        Ok(state.and_then(|state| state.running).unwrap_or_default())
    }

    /// How a program ended.
    async fn dead(&self, id: &str, request: &SmokeRequest) -> Result<End, bollard::errors::Error> {
        let state = self.client.inspect_container(id, None).await?.state;
        let state = state.unwrap_or_default();
        let code = state.exit_code.unwrap_or_default();
        if request.probe.is_none() && code == 0 {
            return Ok(End::Up("it ended with exit code 0".to_owned()));
        }
        let memory = if state.oom_killed == Some(true) {
            ", out of memory"
        } else {
            ""
        };
        Ok(End::Dead(format!(
            "ended with exit code {code}{memory} before it was up"
        )))
    }

    /// The end of the program's log, without the values of its variables.
    async fn log(&self, id: &str, request: &SmokeRequest) -> Vec<String> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: TAIL.to_string(),
            ..LogsOptions::default()
        };
        let lines = self.client.logs(id, Some(options));
        let lines: Vec<_> = lines.try_collect().await.unwrap_or_default();
        request.lines(&lines.iter().map(ToString::to_string).collect::<String>())
    }
}
