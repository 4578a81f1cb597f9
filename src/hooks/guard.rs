//! The resolver that hands out no private address: asked at every connection, so that a name that changes its answer
//! between check and call leads nowhere either.
//!
//! Not the list of such addresses: that is `shapes/address.rs`, which also judges URLs that carry an address themselves.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::shapes::address;

/// Looks names up, and leaves out every address that is none of the public internet. Connections are made to the very
/// addresses that were judged.
pub struct PublicOnly {
    inner: Arc<dyn Resolve>,
}

impl PublicOnly {
    /// Looks names up as the system does.
    #[must_use]
    pub fn system() -> PublicOnly {
        PublicOnly::over(Arc::new(System))
    }

    /// Looks names up as `inner` does.
    #[must_use]
    pub fn over(inner: Arc<dyn Resolve>) -> PublicOnly {
        PublicOnly { inner }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let text = name.as_str().to_owned();
        let answer = self.inner.resolve(name);
        Box::pin(async move {
            let (mut public, mut refused) = (Vec::new(), None);
            for found in answer.await? {
                match address::forbidden(found.ip()) {
                    None => public.push(found),
                    Some(why) => refused = Some(why),
                }
            }
            match (public.is_empty(), refused) {
                (true, Some(why)) => Err(format!("the address of {text} {why}; write allow_private = true if it is your own").into()),
                (true, None) => Err(format!("{text} has no address").into()),
                (false, _) => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// The system's own resolver.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::sync::Mutex;

    /// Answers each question with the next of its answers.
    struct Told(Mutex<Vec<Vec<&'static str>>>);

    impl Resolve for Told {
        fn resolve(&self, _: Name) -> Resolving {
            let answer = self.0.lock().unwrap().remove(0);
            let found: Vec<SocketAddr> = answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(std::future::ready(Ok(Box::new(found.into_iter()) as Addrs)))
        }
    }

    fn ask(resolver: &PublicOnly, name: &str) -> Result<Vec<IpAddr>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(resolver.resolve(name.parse().unwrap()));
        answer.map(|found| found.map(|a| a.ip()).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn private_answers_are_left_out_each_time_anew() {
        let answers = vec![
            vec!["8.8.8.8", "2001:4860:4860::8888"],
            vec!["127.0.0.1"],
            vec!["10.0.0.1", "8.8.4.4", "::1", "::ffff:127.0.0.1"],
            vec!["169.254.169.254", "fd00::1"],
            vec![],
        ];
        let resolver = PublicOnly::over(Arc::new(Told(Mutex::new(answers))));
        assert_eq!(ask(&resolver, "hook.example").unwrap().len(), 2);
        assert!(ask(&resolver, "hook.example").unwrap_err().contains("hook.example is a loopback address"));
        assert_eq!(ask(&resolver, "hook.example").unwrap(), ["8.8.4.4".parse::<IpAddr>().unwrap()]);
        assert!(ask(&resolver, "hook.example").unwrap_err().contains("allow_private"));
        assert!(ask(&resolver, "hook.example").unwrap_err().contains("no address"));
    }

    #[test]
    fn the_system_says_that_localhost_is_here() {
        assert!(ask(&PublicOnly::system(), "localhost").unwrap_err().contains("loopback"));
    }
}
