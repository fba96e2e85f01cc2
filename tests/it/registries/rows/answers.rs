//! What registries answer.

use super::Expected::{NotFor, Pushed, Refused};
use super::Row;
use crate::registries::imitation::{Reply, cut};
use crate::registries::scene::PASSWORD;

/// Engine 26 tries an upload five times. What it says then was seen: `unknown` with the page, `unknown`
/// without words, `received unexpected HTTP status: 503 …`.
const TRIES: &str = "it tries for 50 s";

/// A page of a proxy.
const PAGE: &str = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>";

fn ecr_denial() -> Reply {
    Reply::error(
        403,
        "DENIED",
        "User: arn:aws:iam::1:user/ci is not authorized to perform: ecr:InitiateLayerUpload",
    )
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("403 says which right is missing", "ECR", |scene| {
            scene.log_in();
            scene.answers("POST", "/uploads/", 99, ecr_denial);
        }).all(Refused(4, &["is not authorized to perform: ecr:InitiateLayerUpload"])),
        Row::new("403 of the token server", "GHCR", |scene| {
            scene.wants_token();
            scene.log_in();
            scene.answers("GET", "/token", 99, || Reply::error(403, "DENIED", "permission_denied: The token provided does not match expected scopes."));
        }).native(Refused(4, &["the registry's token server answers 403, permission_denied: The token provided does not match expected scopes."]))
          .docker(Refused(4, &["denied"])),
        Row::new("401 of the token server", "Docker Hub", |scene| {
            scene.wants_token();
            scene.entry("HOST:PORT", r#"{"auth":"bGFiOnN0YWxlLXBhc3Mtd29yZA=="}"#); // lab:stale-pass-word
            scene.answers("GET", "/token", 99, || Reply::new(401).text("application/json", r#"{"details":"incorrect username or password"}"#));
        }).native(Refused(4, &["the registry's token server answers 401, incorrect username or password", "docker login HOST:PORT"]))
          .docker(Refused(4, &["docker login HOST:PORT"])),
        Row::new("404 for a repository that is to be made first", "ECR", |scene| {
            scene.log_in();
            scene.answers("POST", "/uploads/", 99, || Reply::error(404, "NAME_UNKNOWN", "The repository with name 'app' does not exist in the registry with id '1'"));
        }).all(Refused(4, &["The repository with name 'app' does not exist in the registry with id '1'"])),
        Row::new("413 with a page of a proxy", "Harbor behind nginx", |scene| {
            scene.answers("PUT", "/uploads/", 99, || Reply::new(413).text("text/html", PAGE));
            scene.answers("PATCH", "/uploads/", 99, || Reply::new(413).text("text/html", PAGE));
        }).native(Refused(4, &["the registry answers 413, too large", "have its limit raised"]))
          .docker(NotFor(TRIES))
          .newest(Refused(4, &["413"])),
        Row::new("429 that passes", "Docker Hub", |scene| {
            scene.answers("POST", "/uploads/", 1, || Reply::error(429, "TOOMANYREQUESTS", "You have reached your rate limit."));
        }).native(Pushed(&["the registry answers 429, You have reached your rate limit.; trying again in 1 s (1 of 3)"]))
          .docker(Refused(75, &["toomanyrequests: You have reached your rate limit."]))
          .newest(Pushed(&[])),
        Row::new("429 that stays", "Docker Hub", |scene| {
            scene.answers("GET", "/v2/", 99, || Reply::error(429, "TOOMANYREQUESTS", "You have reached your rate limit."));
            scene.answers("HEAD", "/blobs/", 99, || Reply::error(429, "TOOMANYREQUESTS", "You have reached your rate limit."));
            scene.answers("POST", "/uploads/", 99, || Reply::error(429, "TOOMANYREQUESTS", "You have reached your rate limit."));
            scene.answers("PUT", "/manifests/", 99, || Reply::error(429, "TOOMANYREQUESTS", "You have reached your rate limit."));
        }).native(NotFor("21 s of pauses; a unit test has it"))
          .docker(Refused(75, &["toomanyrequests: You have reached your rate limit."]))
          .newest(Refused(75, &["429 Too Many Requests"])),
        Row::new("503 that stays", "all registries", |scene| {
            scene.answers("PUT", "/manifests/", 99, || Reply::new(503));
        }).native(Refused(75, &["the registry answers 503, service unavailable", "trying again in 4 s (3 of 3)"]))
          .docker(Refused(75, &["503"])),
        Row::new("503 of the token server passes", "GitLab during a deployment", |scene| {
            scene.wants_token();
            scene.log_in();
            scene.answers("GET", "/token", 2, || Reply::new(503));
        }).native(Pushed(&["the registry's token server answers 503, service unavailable; trying again in 1 s (1 of 3)"]))
          .newest(Refused(75, &["503 Service Unavailable"])),
        Row::new("503 of the token server stays", "GitLab during a deployment", |scene| {
            scene.wants_token();
            scene.log_in();
            scene.answers("GET", "/token", 99, || Reply::new(503));
        }).native(Refused(75, &["the registry's token server answers 503, service unavailable\n"]))
          .docker(NotFor(TRIES)).newest(Refused(75, &["503 Service Unavailable"])),
        Row::new("the token expires in the middle of a push", "ECR, GitLab", |scene| {
            scene.wants_token();
            scene.log_in();
            scene.state.expires = true;
        // The words depend on which request is the first to be refused.
        }).docker(Refused(4, &["nauthorized"])),
        Row::new("PUT is redirected by 307", "Artifactory", |scene| {
            scene.rule(|asked, _| {
                let is_first = asked.is("PUT", "/uploads/") && !asked.query.contains("moved");
                is_first.then(|| Reply::new(307).with("Location", format!("{}?{}&moved=1", asked.path, asked.query)))
            });
        }),
        Row::new("Location is relative to its path", "Azure's proxies", |scene| {
            scene.rule(|asked, count| {
                (asked.is("POST", "/uploads/") && count == 0).then(|| Reply::new(202).with("Location", "0"))
            });
            scene.state.uploads_begun(1);
        }).newest(Refused(4, &["failed to do request"])),
        Row::new("HEAD is refused", "a proxy", |scene| {
            scene.answers("HEAD", "/blobs/", 99, || Reply::new(405));
        }).docker(NotFor(TRIES))
          .newest(Refused(4, &["405"])),
        Row::new("bytes are taken by PATCH only", "old registries", |scene| scene.state.patch_only = true)
            .newest(Refused(4, &["error from registry: send bytes by PATCH"])),
        Row::new("an upload breaks off and goes on", "all registries", |scene| scene.state.cut = Some(100))
            .native(Pushed(&["trying again in 1 s (1 of 3)"]))
            .newest(Refused(75, &["EOF"])),
        Row::new("mounts are refused", "a proxy", |scene| {
            scene.names = vec!["HOST:PORT/app:1".to_owned(), "HOST:PORT/other:1".to_owned()];
            scene.rule(|asked, _| {
                let is_mount = asked.is("POST", "/uploads/") && asked.query.contains("mount=");
                is_mount.then(|| Reply::error(405, "UNSUPPORTED", "no mounts"))
            });
        }).newest(Refused(4, &["error from registry: no mounts"])),
        Row::new("a token for another repository is refused", "Harbor", |scene| {
            scene.wants_token();
            scene.log_in();
            scene.names = vec!["HOST:PORT/app:1".to_owned(), "HOST:PORT/other:1".to_owned()];
            scene.rule(|asked, _| {
                let several = asked.query.matches("scope=").count() > 1;
                (asked.is("GET", "/token") && several).then(|| Reply::error(403, "DENIED", "not yours"))
            });
        }).newest(Refused(4, &["error from registry: not yours"])),
        Row::new("the second registry fails", "all registries", |scene| {
            scene.names = vec!["HOST:PORT/app:1".to_owned(), "HOST:PORT/other:1".to_owned()];
            scene.rule(|asked, _| asked.is("POST", "/other/").then(ecr_denial));
        }).all(Refused(4, &["pushed before the push that failed: `HOST:PORT/app:1`", "is not authorized to perform"])),
        Row::new("the registry quotes the password", "a careless one", |scene| {
            scene.log_in();
            scene.answers("POST", "/uploads/", 99, || Reply::error(403, "DENIED", &format!("no rights for lab:{PASSWORD}")));
        }).all(Refused(4, &["no rights for lab:***"])),
        Row::new("the connection ends before the answer", "a load balancer", |scene| {
            scene.answers("PUT", "/manifests/", 1, cut);
        }).native(Pushed(&["trying again in 1 s (1 of 3)"])).docker(Refused(75, &["EOF"])),
    ]
}
