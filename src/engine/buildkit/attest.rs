//! [`Attestation`]: what a builder says about an image beside it, in the words of `docker buildx`: how
//! it was made (provenance), and what is in it (SBOM).

use std::str::FromStr;

/// A statement about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    kind: Kind,
    /// `mode=max`
    parameters: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Provenance,
    Sbom,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Provenance => "provenance",
            Self::Sbom => "sbom",
        }
    }
}

/// A flag's value. `None` is an attestation that the flag turns off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attest(pub Option<Attestation>);

impl FromStr for Attest {
    type Err = String;

    /// `type=provenance,mode=max` or `type=sbom,generator=IMAGE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let kind = text.split(',').find_map(|part| part.strip_prefix("type="));
        let kind = match kind {
            Some("provenance") => Kind::Provenance,
            Some("sbom") => Kind::Sbom,
            _ => return Err("write `type=provenance` or `type=sbom`".to_owned()),
        };
        let others = text.split(',').filter(|part| !part.starts_with("type="));
        Attestation::parse(kind, &others.collect::<Vec<_>>().join(","))
    }
}

impl Attestation {
    /// `--provenance`: `true`, `false`, or parameters.
    pub fn provenance(text: &str) -> Result<Attest, String> {
        Self::parse(Kind::Provenance, text)
    }

    /// `--sbom`: `true`, `false`, or parameters.
    pub fn sbom(text: &str) -> Result<Attest, String> {
        Self::parse(Kind::Sbom, text)
    }

    fn parse(kind: Kind, text: &str) -> Result<Attest, String> {
        let mut parameters = Vec::new();
        let is_on = |value: &str| match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(format!("`{other}` is neither true nor false")),
        };
        let mut on = true;
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("disabled", value)) => on = !is_on(value)?,
                Some((key, _)) if !key.is_empty() => parameters.push(part),
                Some(_) => return Err(format!("`{part}` is not of the form KEY=VALUE")),
                None => on = is_on(part)?,
            }
        }
        Ok(Attest(on.then(|| Self {
            kind,
            parameters: parameters.join(","),
        })))
    }

    /// What the frontend is told: a name and a value.
    pub(super) fn attribute(&self) -> (String, String) {
        let name = format!("attest:{}", self.kind.name());
        (name, self.parameters.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_buildx() {
        let told = |attest: Result<Attest, String>| attest.unwrap().0.map(|one| one.attribute());
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        let provenance = |text| told(Attestation::provenance(text));
        assert_eq!(provenance("true"), pair("attest:provenance", ""));
        assert_eq!(
            provenance("mode=max"),
            pair("attest:provenance", "mode=max")
        );
        assert_eq!(provenance("false"), None);
        assert_eq!(
            told(Attestation::sbom("generator=reg/x:1")),
            pair("attest:sbom", "generator=reg/x:1")
        );
        assert_eq!(
            told("type=provenance,mode=min,version=v1".parse()),
            pair("attest:provenance", "mode=min,version=v1")
        );
        assert_eq!(told("type=sbom,disabled=true".parse()), None);
        for text in [
            "",
            "mode=max",
            "type=other",
            "type=sbom,maybe",
            "type=sbom,=x",
        ] {
            assert!(text.parse::<Attest>().is_err(), "{text}");
        }
    }
}
