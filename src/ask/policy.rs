//! Whether packages have licences that a policy allows.
//!
//! Input: a policy, as `licenses` of slimbuild.json has it, and packages with their licences. Output: the
//! packages that it does not allow.

use spdx::{Expression, LicenseReq, ParseMode};

use crate::ask::sbom::Part;
use crate::plan::config::Licenses;

/// The packages whose licences are not allowed, in their order.
pub fn refused<'p>(policy: &Licenses, parts: impl IntoIterator<Item = &'p Part>) -> Vec<&'p Part> {
    let parts = parts.into_iter();
    parts
        .filter(|part| !is_excepted(policy, part) && !allows(policy, part.licence.as_deref()))
        .collect()
}

/// Whether the policy names the package, in all versions or in this one.
fn is_excepted(policy: &Licenses, part: &Part) -> bool {
    let names = policy.exceptions.keys();
    let label = part.label();
    names
        .into_iter()
        .any(|name| *name == part.name || *name == label)
}

/// Whether a licence is allowed: of alternatives, one has to be. A package without a licence gives no
/// right to ship it.
fn allows(policy: &Licenses, licence: Option<&str>) -> bool {
    let Some(licence) = licence else {
        return false;
    };
    let is_on = |list: &[&String], name: &str| list.iter().any(|one| fits(one, name));
    let (allow, deny): (Vec<_>, Vec<_>) =
        (policy.allow.iter().collect(), policy.deny.iter().collect());
    let is_fine = |name: &str| (allow.is_empty() || is_on(&allow, name)) && !is_on(&deny, name);
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => {
            // The whole may be named too.
            let is_named = allow.iter().any(|one| one.eq_ignore_ascii_case(licence));
            (is_named && !is_on(&deny, licence))
                || expression.evaluate(|wanted: &LicenseReq| is_fine(&wanted.to_string()))
        }
        Err(_) => is_fine(licence),
    }
}

/// Whether a name of the policy means a licence: `GPL-*` means all whose names begin so.
fn fits(name: &str, licence: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => {
            let beginning = licence.get(..start.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
        }
        None => name.eq_ignore_ascii_case(licence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str], exceptions: &[&str]) -> Licenses {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let exceptions = exceptions.iter();
        Licenses {
            allow: names(allow),
            deny: names(deny),
            exceptions: exceptions
                .map(|name| ((*name).to_owned(), "a reason".to_owned()))
                .collect(),
        }
    }

    #[test]
    fn alternatives_are_allowed_by_one_of_them() {
        let lists = policy(&["MIT", "Apache-2.0", "BSD-*"], &[], &[]);
        for (licence, expected) in [
            ("MIT", true),
            ("mit", true),
            ("(MIT OR GPL-3.0-only)", true),
            ("MIT AND ISC", false),
            ("MIT AND Apache-2.0", true),
            ("MIT AND BSD-3-Clause", true),
            ("ISC", false),
            // It is taken for one of them.
            ("BSD", true),
            ("SEE LICENSE IN x", false),
        ] {
            assert_eq!(allows(&lists, Some(licence)), expected, "{licence}");
        }
        assert!(!allows(&lists, None));
        let words = policy(&["SEE LICENSE IN x", "MIT AND ISC"], &[], &[]);
        assert!(allows(&words, Some("SEE LICENSE IN x")));
        assert!(allows(&words, Some("MIT AND ISC")));
        assert!(!allows(&words, Some("ISC")));
    }

    #[test]
    fn what_is_denied_is_not_allowed() {
        let lists = policy(&[], &["GPL-*", "AGPL-3.0-only", "UNLICENSED"], &[]);
        for (licence, expected) in [
            (Some("MIT"), true),
            (Some("GPL-3.0-only"), false),
            (Some("GPL-2.0-or-later"), false),
            (Some("LGPL-3.0-only"), true),
            (Some("AGPL-3.0-only"), false),
            (Some("MIT OR GPL-3.0-only"), true),
            (Some("MIT AND GPL-3.0-only"), false),
            (Some("UNLICENSED"), false),
            (Some("SEE LICENSE IN x"), true),
            (None, false),
        ] {
            assert_eq!(allows(&lists, licence), expected, "{licence:?}");
        }
        // A list of both: what is allowed in general, and denied in particular.
        let both = policy(&["BSD-*"], &["BSD-4-Clause"], &[]);
        assert!(allows(&both, Some("BSD-2-Clause")));
        assert!(!allows(&both, Some("BSD-4-Clause")));
    }

    #[test]
    fn packages_are_excepted_by_name_or_version() {
        let part = |name: &str, version: &str, licence: Option<&str>| Part {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            purl: None,
            is_member: false,
            hashes: Vec::new(),
            archive: None,
            licence: licence.map(str::to_owned),
        };
        let parts = [
            part("a", "1.0.0", Some("GPL-3.0-only")),
            part("b", "1.0.0", Some("GPL-3.0-only")),
            part("b", "2.0.0", Some("GPL-3.0-only")),
            part("@c/d", "1.0.0", None),
            part("e", "1.0.0", Some("MIT")),
        ];
        let policy = policy(&["MIT"], &[], &["a", "b@1.0.0"]);
        let labels = refused(&policy, &parts).into_iter().map(Part::label);
        assert_eq!(labels.collect::<Vec<_>>(), ["b@2.0.0", "@c/d@1.0.0"]);
    }
}
