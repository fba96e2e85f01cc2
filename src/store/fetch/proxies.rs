//! [`Proxies`]: which requests go through which proxy. The rule is Go's, which Docker has too
//! (<https://pkg.go.dev/golang.org/x/net/http/httpproxy>); curl mostly agrees. The HTTP client's own
//! rule knows no ports, and sends requests for this machine through the proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::{Proxy, Url};

use super::{Cause, shown};
use crate::system::trail;

/// Proxies from the environment, named like curl's `http_proxy`.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http:` addresses.
    pub http: Option<String>,
    /// For `https:` addresses.
    pub https: Option<String>,
    /// Hosts that are reached without a proxy: names, which stand for what is below them too,
    /// addresses and networks, each perhaps with a port, or `*`.
    pub none: Option<String>,
}

impl Proxies {
    /// The proxy for an address.
    pub fn of(&self, url: &Url) -> Option<&str> {
        let proxy = match url.scheme() {
            "http" => self.http.as_deref(),
            "https" => self.https.as_deref(),
            _ => None,
        }?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_lowercase();
        let port = url.port_or_known_default()?;
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
        let mut left_out = self.none.iter().flat_map(|none| none.split(','));
        let is_direct = is_here || left_out.any(|entry| fits(entry.trim(), &host, address, port));
        (!is_direct).then_some(proxy)
    }

    /// For a client, which must have no other proxy.
    pub fn rule(&self) -> Result<Proxy, reqwest::Error> {
        for proxy in [&self.http, &self.https].into_iter().flatten() {
            // The rule would pass over an address that is none.
            Proxy::all(proxy)?;
            trail::decided(|| {
                let proxy = shown(proxy);
                let none = self.none.as_deref().unwrap_or("none");
                format!(
                    "requests go through the proxy `{proxy}`, except to this machine and to `NO_PROXY` ({none})"
                )
            });
        }
        let proxies = self.clone();
        Ok(Proxy::custom(move |url| proxies.of(url).map(str::to_owned)))
    }

    /// Says which proxy did not connect, if there is one on the way.
    pub fn explain(&self, url: &Url, cause: Cause) -> Cause {
        match self.of(url) {
            Some(proxy) => Cause(format!(
                "the proxy `{}` does not connect: {cause}",
                shown(proxy)
            )),
            None => cause,
        }
    }
}

/// Whether an entry of `NO_PROXY` names a host.
fn fits(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    let entry = entry.to_lowercase();
    if entry == "*" {
        return true;
    }
    if entry.contains('/') {
        let network = entry.parse::<IpNet>().ok().zip(address);
        return network.is_some_and(|(network, address)| network.contains(&address));
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        // The colons of an IPv6 address without brackets are no port's.
        Some((name, _)) if name.contains(':') && !name.ends_with(']') => (&*entry, None),
        Some((name, port)) => (name, Some(port)),
        None => (&*entry, None),
    };
    if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    let name = name.trim_matches(['[', ']']);
    if let Ok(ip) = name.parse::<IpAddr>() {
        return address == Some(ip);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    if let Some(below) = name.strip_prefix('.') {
        return host.ends_with(name) && !below.is_empty();
    }
    let rest = host.strip_suffix(name);
    !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_left_out_as_in_go() {
        for (none, url, direct) in [
            ("", "https://r.example", false),
            ("", "https://localhost:5000", true),
            ("", "http://LOCALHOST", true),
            ("", "http://127.0.0.1:5000", true),
            ("", "http://[::1]:5000", true),
            ("", "http://localhost.example", false),
            ("*", "https://r.example", true),
            ("a.example, *", "https://r.example", true),
            ("r.example", "https://r.example", true),
            ("R.Example", "https://r.example", true),
            ("r.example", "https://a.r.example:5000", true),
            ("r.example", "https://other.example", false),
            ("r.example", "https://xr.example", false),
            (".r.example", "https://a.r.example", true),
            (".r.example", "https://r.example", false),
            ("*.r.example", "https://a.r.example", true),
            ("*.r.example", "https://r.example", false),
            ("r.example:5000", "https://r.example:5000", true),
            ("r.example:5000", "https://r.example:5001", false),
            ("r.example:443", "https://r.example", true),
            ("r.example:80", "https://r.example", false),
            ("10.0.0.1", "http://10.0.0.1:5000", true),
            ("10.0.0.1:5000", "http://10.0.0.1:5000", true),
            ("10.0.0.1:5000", "http://10.0.0.1:5001", false),
            ("10.0.0.0/8", "http://10.9.9.9:5000", true),
            ("10.0.0.0/8", "http://11.0.0.1", false),
            ("0.0.0.0/0", "http://11.0.0.1", true),
            ("10.0.0.0/99", "http://10.0.0.0", false),
            ("fd00::/8", "http://[fd12::1]:5000", true),
            ("fd00::1", "http://[fd00::1]:5000", true),
            ("[fd00::1]:5000", "http://[fd00::1]:5000", true),
            ("[fd00::1]:5000", "http://[fd00::1]:5001", false),
            (",, ,", "https://r.example", false),
        ] {
            let proxies = Proxies {
                http: Some("http://proxy:1".to_owned()),
                https: Some("http://proxy:2".to_owned()),
                none: Some(none.to_owned()),
            };
            let url = Url::parse(url).unwrap();
            assert_eq!(proxies.of(&url).is_none(), direct, "{none} {url}");
        }
        assert_eq!(Proxies::default().of(&"http://r".parse().unwrap()), None);
    }
}
