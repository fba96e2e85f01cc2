//! Properties of any manifest: it is refused, or what slimbuild makes of it parses and differs only
//! as intended.

use std::collections::BTreeSet;

use super::npmrc::Npmrc;
use super::package::Manifest;
use super::package::strip::strip;
use super::tsconfig::Tsconfig;
use super::turbo::TurboManifest;
use super::turbo::prune::prune;
use super::workspace::{self, WorkspaceManifest, with_members, with_references};
use crate::lockfile::Field;

/// `package.json`, skeletons and stripped texts.
pub fn package(text: &str) {
    let Ok(manifest) = Manifest::parse("package.json", text) else {
        // A text that only one of the two parsers accepts is never stripped.
        let _stripped = strip("package.json", text, |_, _| false);
        return;
    };
    for keep in [
        |_: Field, _: &str| true,
        |field: Field, _: &str| field != Field::Dev,
        |_: Field, name: &str| name.len().is_multiple_of(2),
        |_: Field, _: &str| false,
    ] {
        let stripped = strip("package.json", text, keep);
        let stripped = stripped.unwrap_or_else(|error| panic!("cannot strip: {error}\n{text}"));
        let reduced = [stripped, manifest.skeleton(keep), manifest.without(keep)];
        for result in reduced {
            let again = match Manifest::parse("package.json", &result) {
                Ok(again) => again,
                Err(error) => panic!("cannot be read again: {error}\n{text}\nis\n{result}"),
            };
            assert_eq!(again.name(), manifest.name(), "{text}\nis\n{result}");
            for field in Field::ALL {
                let mut wanted = manifest.dependencies(field);
                wanted.retain(|name, _| keep(field, name));
                assert_eq!(again.dependencies(field), wanted, "{text}\nis\n{result}");
            }
        }
    }
    let _runtimes = manifest.runtimes().count();
}

/// `turbo.json` and `tsconfig.json`.
pub fn turbo(text: &str) {
    let _config = Tsconfig::parse("tsconfig.json", text).is_ok();
    let kept = BTreeSet::from(["a", "@s/b"]);
    let Ok(turbo) = TurboManifest::parse("turbo.json", text) else {
        let _pruned = prune("turbo.json", text, &kept).is_ok();
        return;
    };
    let pruned = match prune("turbo.json", text, &kept) {
        Ok(pruned) => pruned,
        Err(error) => panic!("cannot prune: {error}\n{text}"),
    };
    let again = match TurboManifest::parse("turbo.json", &pruned) {
        Ok(again) => again,
        Err(error) => panic!("cannot be read again: {error}\n{text}\nis\n{pruned}"),
    };
    let stays = |name: &str| {
        let package = name.split_once('#').map(|(package, _)| package);
        package.is_none_or(|package| {
            package == "//" || package.starts_with('$') || kept.contains(package)
        })
    };
    let mut wanted = turbo;
    wanted.tasks.retain(|name, _| stays(name));
    for task in wanted.tasks.values_mut() {
        for list in [&mut task.depends_on, &mut task.with].into_iter().flatten() {
            list.values.retain(|name| stays(name));
        }
    }
    assert_eq!(again, wanted, "{text}\nis\n{pruned}");
    let twice = prune("turbo.json", &pruned, &kept).ok();
    assert_eq!(twice.as_ref(), Some(&pruned), "{text}\nis\n{pruned}");
}

/// `pnpm-workspace.yaml` with other members, and with overrides written out.
pub fn settings(text: &str) {
    // YAML limits a key without a `? ` mark to 1,024 characters. No package name is that long.
    if text.lines().any(|line| line.len() > 1000) {
        return;
    }
    let settings = workspace::settings(text);
    let parsed = WorkspaceManifest::parse(text);
    let members = ["apps/a", "packages/it's"];
    let written = with_members(text, settings.as_ref(), members.into_iter());
    let referred = with_references(text, |name| name.starts_with('a').then_some(">=1 it's"));
    let (Ok(_), Some(settings)) = (parsed, settings) else {
        return;
    };
    let again = match WorkspaceManifest::parse(&written) {
        Ok(again) => again,
        Err(error) => panic!("cannot be read again: {error}\n{text}\nis\n{written}"),
    };
    let found = again.packages.unwrap_or_default();
    assert_eq!(found, members, "{text}\nis\n{written}");
    let mut others = workspace::settings(&written).unwrap_or_default();
    let mut wanted = settings;
    others.shift_remove("packages");
    wanted.shift_remove("packages");
    assert_eq!(others, wanted, "{text}\nis\n{written}");
    let twice = workspace::settings(&with_members(
        &written,
        workspace::settings(&written).as_ref(),
        members.into_iter(),
    ));
    assert_eq!(twice, workspace::settings(&written), "{text}");
    let Some(mut others) = workspace::settings(&referred) else {
        panic!("cannot be read again:\n{text}\nis\n{referred}")
    };
    others.shift_remove("overrides");
    wanted.shift_remove("overrides");
    others.shift_remove("packages");
    assert_eq!(others, wanted, "{text}\nis\n{referred}");
}

/// `.npmrc`: the kept text contains no secret, and keeping it again changes nothing.
pub fn npmrc(text: &str) {
    let npmrc = Npmrc::parse(text);
    let again = Npmrc::parse(&npmrc.text);
    assert_eq!(again.text, npmrc.text, "{text}");
    assert!(
        again.secrets.is_empty(),
        "{text}\nkeeps {:?}",
        again.secrets
    );
    for line in npmrc.text.lines() {
        let key = line.split('=').next().unwrap_or_default().to_lowercase();
        let name = key.rsplit(':').next().unwrap_or_default();
        assert!(
            !name.contains("_auth") && !name.contains("password"),
            "{text}"
        );
        if let Some((name, _)) = line.split_once('=') {
            let _value = npmrc.get(name.trim());
        }
    }
}
