use super::*;
use crate::testing;

/// Two servers that need a library, a site that needs none, and an app that needs a decision.
fn selected(named: &[&str], filters: &[&str]) -> Result<Vec<String>, SelectionError> {
    let app = |name: &str, needs: &str| {
        format!(
            r#"{{"name":"@x/{name}","scripts":{{"start":"node main.js"}},"dependencies":{{{needs}}}}}"#
        )
    };
    let needs = r#""@x/core":"workspace:*""#;
    let link = "    dependencies:\n      '@x/core':\n        specifier: workspace:*\n        version: link:../../packages/core\n";
    let lockfile = format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  apps/api:\n{link}\n  apps/site: {{}}\n\n  apps/stuck: {{}}\n\n  apps/worker:\n{link}\n  packages/core: {{}}\n\n  packages/idle: {{}}\n"
    );
    let (_dir, workspace) = testing::workspace(&[
        ("pnpm-lock.yaml", &*lockfile),
        ("apps/api/package.json", &app("api", needs)),
        ("apps/api/main.js", ""),
        ("apps/site/package.json", &app("site", "")),
        ("apps/site/main.js", ""),
        ("apps/stuck/package.json", r#"{"name":"@x/stuck"}"#),
        ("apps/worker/package.json", &app("worker", needs)),
        ("apps/worker/main.js", ""),
        ("packages/core/package.json", r#"{"name":"@x/core"}"#),
        ("packages/idle/package.json", r#"{"name":"@x/idle"}"#),
    ]);
    let survey = Survey::new(&workspace).unwrap();
    let selection = Selection::new(&survey, &workspace.root).unwrap();
    let mut apps = Vec::new();
    for word in named {
        apps.extend(selection.glob(word)?);
    }
    let filters: Vec<String> = filters.iter().map(|&text| text.to_owned()).collect();
    let apps = match filters.is_empty() {
        true if named.is_empty() => selection.all()?,
        true => once_each(apps),
        false => selection.filter(apps, &filters)?,
    };
    Ok(selection.dirs(apps.into_iter()))
}

#[test]
fn words_select_apps() {
    let all = ["apps/api", "apps/site", "apps/stuck", "apps/worker"];
    for (named, filters, expected) in [
        (&[][..], &[][..], &all[..]),
        (&["apps/*"], &[], &all),
        (&["**/*"], &[], &all),
        (&["./apps/*"], &[], &all),
        (&["@x/*"], &[], &all),
        (&["apps/{site,api}"], &[], &["apps/api", "apps/site"]),
        (
            &["apps/s*", "apps/api*"],
            &[],
            &["apps/site", "apps/stuck", "apps/api"],
        ),
        (
            &["apps/s*", "apps/*"],
            &[],
            &["apps/site", "apps/stuck", "apps/api", "apps/worker"],
        ),
        (&[], &["api"], &["apps/api"]),
        (&[], &["@x/api"], &["apps/api"]),
        (&[], &["apps/api"], &["apps/api"]),
        (&[], &["./apps/s*"], &["apps/site", "apps/stuck"]),
        (&[], &["{apps/s*}"], &["apps/site", "apps/stuck"]),
        (&[], &["...core"], &["apps/api", "apps/worker"]),
        (&[], &["...^@x/core"], &["apps/api", "apps/worker"]),
        (&[], &["...{packages/*}"], &["apps/api", "apps/worker"]),
        (&[], &["api..."], &["apps/api"]),
        (&[], &["...core...", "!api"], &["apps/worker"]),
        (&[], &["!stuck"], &["apps/api", "apps/site", "apps/worker"]),
        (&[], &["!...core"], &["apps/site", "apps/stuck"]),
        (&[], &["site", "!idle"], &["apps/site"]),
        (&["apps/*"], &["!./apps/s*"], &["apps/api", "apps/worker"]),
        (&["apps/api*"], &["site"], &["apps/api", "apps/site"]),
    ] {
        let found = selected(named, filters).unwrap();
        assert_eq!(found, expected, "{named:?} {filters:?}");
    }
}

#[test]
fn what_selects_no_app_is_told() {
    let told = |named: &[&str], filters: &[&str]| {
        let error = selected(named, filters).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    for (named, filters, message, hint) in [
        (
            &["apps/wrker*"][..],
            &[][..],
            "`apps/wrker*` matches no package of this workspace",
            "did you mean `apps/worker`?",
        ),
        (
            &["zzz*"],
            &[],
            "`zzz*` matches no package of this workspace",
            "the apps are: apps/api, apps/site, apps/stuck, apps/worker",
        ),
        (
            &["packages/*"],
            &[],
            "`packages/*` matches no app, only packages/core, packages/idle",
            "`--filter '...packages/*'` selects the apps that depend on it: apps/api, apps/worker",
        ),
        (
            &[],
            &["core"],
            "`core` matches no app, only packages/core",
            "`--filter '...core'` selects the apps that depend on it: apps/api, apps/worker",
        ),
        (
            &[],
            &["...idle"],
            "`...idle` matches no app, only packages/idle",
            "`slimbuild ls` lists the apps",
        ),
        (
            &[],
            &["sites"],
            "`sites` matches no package of this workspace",
            "did you mean `apps/site`?",
        ),
        (
            &[],
            &["!wroker"],
            "`!wroker` matches no package of this workspace",
            "did you mean `apps/worker`?",
        ),
        (
            &[],
            &["api", "!api"],
            "the filters leave no app",
            "leave out one of the filters that begin with `!`",
        ),
    ] {
        let expected = (message.to_owned(), hint.to_owned());
        assert_eq!(told(named, filters), expected, "{named:?} {filters:?}");
    }
}
