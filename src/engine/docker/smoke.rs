//! A smoke test: an image is started, asked from inside whether it is up, and its container removed, however it went.

use std::time::Instant;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{LogsOptions, RemoveContainerOptions, TagImageOptions};
use futures_util::{StreamExt, TryStreamExt};

use super::build::after_build;
use super::{Docker, EngineError, runtime};
use crate::engine::Interrupt;
use crate::engine::smoke::{Answered, End, SmokeRequest, TAIL};
use crate::image::ImageRef;

impl Docker {
    /// Starts an image and waits until its program is up. The container is gone afterwards, also after an interrupt.
    pub fn smoke(
        &self,
        image: &str,
        request: &SmokeRequest,
        interrupt: &Interrupt,
    ) -> Result<Answered, EngineError> {
        runtime()?.block_on(self.try_out(image, request, interrupt))
    }

    /// Names an image.
    pub fn tag(&self, image: &str, tags: &[ImageRef]) -> Result<(), EngineError> {
        runtime()?.block_on(async {
            for tag in tags {
                let options = TagImageOptions {
                    repo: Some(tag.name().to_owned()),
                    tag: tag.tag().map(str::to_owned),
                };
                self.client
                    .tag_image(image, Some(options))
                    .await
                    .map_err(|error| after_build(format!("tag it as `{tag}`"), &error))?;
            }
            Ok(())
        })
    }

    async fn try_out(
        &self,
        image: &str,
        request: &SmokeRequest,
        interrupt: &Interrupt,
    ) -> Result<Answered, EngineError> {
        let began = Instant::now();
        let mut made = Vec::new();
        let end = tokio::select! {
            biased;
            () = interrupt.raised() => Err(EngineError::Interrupted),
            end = self.watch(image, request, &mut made) => end.map_err(|error| after_build("start it".to_owned(), &error)),
        };
        let log = match (&end, made.first()) {
            (Ok(End::Dead(_) | End::Late(_)), Some(id)) => self.log(id, request).await,
            _ => Vec::new(),
        };
        // The one that asks lives in the other's network, and goes first.
        for id in made.iter().rev() {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                ..RemoveContainerOptions::default()
            };
            let removed = self.client.remove_container(id, Some(options)).await;
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

    /// Waits for the probe's end, the program's end, or the end of patience.
    async fn watch(
        &self,
        image: &str,
        request: &SmokeRequest,
        made: &mut Vec<String>,
    ) -> Result<End, bollard::errors::Error> {
        let env = request.env.iter();
        let env = env.map(|(name, value)| format!("{name}={value}")).collect();
        let body = ContainerCreateBody {
            env: Some(env),
            ..ContainerCreateBody::default()
        };
        let id = self.create(image, body, made).await?;
        let mut probe = None;
        if let Some(words) = &request.probe {
            // A container of the same image in the first one's network: no port has to be published, and no daemon is too far away.
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
        self.client.start_container(&id, None).await?;
        let patience = request.patience();
        let mut ended = Box::pin(self.client.wait_container(&id, None));
        let up = tokio::select! {
            biased;
            _ = ended.next() => None,
            up = self.ask(probe.as_deref()) => Some(up),
            () = tokio::time::sleep(patience) => Some(Ok(request.probe.is_none())),
        };
        let seconds = patience.as_secs();
        let said = match &probe {
            Some(probe) => self.last_line(probe).await,
            None => format!("it runs for {seconds} s"),
        };
        match up {
            Some(Ok(true)) => Ok(End::Up(said)),
            // Who asks cannot begin where the program is gone already.
            Some(Err(_)) | None if !self.runs(&id).await? => self.dead(&id, request).await,
            Some(Err(error)) => Err(error),
            Some(Ok(false)) | None => Ok(End::late(patience, &said)),
        }
    }

    /// Makes a container, and notes it as one that has to be removed.
    async fn create(
        &self,
        image: &str,
        body: ContainerCreateBody,
        made: &mut Vec<String>,
    ) -> Result<String, bollard::errors::Error> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            labels: Some([("slimbuild.smoke".to_owned(), String::new())].into()),
            ..body
        };
        let id = self.client.create_container(None, body).await?.id;
        made.push(id.clone());
        Ok(id)
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

    /// What a probe said last.
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

    /// The last that the program wrote, without the values that were given to it.
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
