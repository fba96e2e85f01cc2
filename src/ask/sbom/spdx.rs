//! SPDX 2.3 in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).
//!
//! Input: a [`Bill`], and the seconds since 1970 to write as the time. Output: the document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Bill, Part};
use crate::ask::licences::is_expression;
use crate::model::digest::Digest;

/// The word for what is not known.
const UNKNOWN: &str = "NOASSERTION";

/// Writes the document. The format requires a time; without one it is that of `SOURCE_DATE_EPOCH`
/// zero, so that equal input gives equal bytes.
pub fn document(bill: &Bill, epoch: Option<u64>) -> Value {
    let ids: BTreeMap<&str, String> = bill
        .parts
        .iter()
        .map(|(reference, part)| (&**reference, id(reference, part)))
        .collect();
    let packages: Vec<Value> = bill
        .parts
        .iter()
        .map(|(reference, part)| {
            let purpose = if *reference == bill.app {
                "APPLICATION"
            } else {
                "LIBRARY"
            };
            package(&ids[&**reference], purpose, part)
        })
        .collect();
    let described = relation("SPDXRef-DOCUMENT", "DESCRIBES", &ids[&*bill.app]);
    let needed = bill.needs.iter().flat_map(|(reference, needs)| {
        let from = &ids[&**reference];
        let ids = &ids;
        needs
            .iter()
            .map(move |need| relation(from, "DEPENDS_ON", &ids[&**need]))
    });
    let relationships: Vec<Value> = std::iter::once(described).chain(needed).collect();
    let content = json!({ "packages": packages, "relationships": relationships });
    let digest = Digest::of(content.to_string().as_bytes());
    let name = bill.parts.get(&bill.app).map_or("", |part| &part.name);
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/slimbuild-{}", digest.hex()),
        "creationInfo": {
            "created": time(epoch.unwrap_or_default()),
            "creators": [concat!("Tool: slimbuild-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": content["packages"],
        "relationships": content["relationships"],
    })
}

fn package(id: &str, purpose: &str, part: &Part) -> Value {
    let checksums = part.hashes.iter();
    let checksums: Vec<Value> = checksums
        .map(|(algorithm, digits)| {
            json!({ "algorithm": algorithm.replace('-', ""), "checksumValue": digits })
        })
        .collect();
    let licence = part.licence.as_deref();
    let licence = licence.filter(|licence| is_expression(licence));
    let purl = part.purl.iter().map(|purl| {
        json!({
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl,
        })
    });
    let mut package = json!({
        "name": part.name,
        "SPDXID": id,
        "downloadLocation": part.archive.as_deref().unwrap_or(UNKNOWN),
        "filesAnalyzed": false,
        "checksums": checksums,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": licence.unwrap_or(UNKNOWN),
        "copyrightText": UNKNOWN,
        "externalRefs": purl.collect::<Vec<Value>>(),
        "primaryPackagePurpose": purpose,
    });
    if let Some(version) = &part.version {
        package["versionInfo"] = version.as_str().into();
    }
    package
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// An identifier of the few letters that the format has for it.
fn id(reference: &str, part: &Part) -> String {
    let version = part.version.as_deref().unwrap_or_default();
    let text = format!("{}-{version}", part.name);
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '.' {
            letter
        } else {
            '-'
        }
    };
    let text: String = text.chars().map(letter).collect();
    let digest = Digest::of(reference.as_bytes());
    format!("SPDXRef-{}-{}", text.trim_matches('-'), &digest.hex()[..8])
}

fn time(epoch: u64) -> String {
    let seconds = i64::try_from(epoch).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}
