//! How a joiner finds its sponsor on the local network without knowing an address (SPEC section 18.6).
//!
//! What is announced is a name that follows from the secret, a port, and addresses: nobody without the secret can tell which vault or
//! which machine it is about.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use mdns_sd::{Error, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::Session;

/// A sponsor that answers, until it is dropped.
pub(super) struct Announced {
    daemon: ServiceDaemon,
    names: Vec<String>,
}

impl Announced {
    /// Answers to the names of these sessions with the address at which the sponsor listens; all addresses if that is none.
    pub(super) fn start(sessions: &[Session], at: SocketAddr) -> Result<Self, Error> {
        let mut announced = Self { daemon: ServiceDaemon::new()?, names: Vec::new() };
        for session in sessions {
            let instance = session.mdns_instance();
            // The machine's own name would say whose it is.
            let host = format!("{instance}.local.");
            let ip: Vec<IpAddr> = if at.ip().is_unspecified() { Vec::new() } else { vec![at.ip()] };
            let properties: HashMap<String, String> = HashMap::new();
            let mut service = ServiceInfo::new(SERVICE, &instance, &host, &ip[..], at.port(), properties)?;
            if ip.is_empty() {
                service = service.enable_addr_auto();
            }
            announced.names.push(service.get_fullname().to_owned());
            announced.daemon.register(service)?;
        }
        Ok(announced)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        for name in &self.names {
            // Says goodbye, so that nobody remembers it.
            if let Ok(said) = self.daemon.unregister(name) {
                let _ = said.recv_timeout(GOODBYE);
            }
        }
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = ended.recv_timeout(GOODBYE);
        }
    }
}

/// A joiner that looks for one name, until it is dropped. It asks for the service and not for the name.
pub(super) struct Search {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    name: String,
}

impl Search {
    pub(super) fn start(session: &Session) -> Result<Self, Error> {
        let daemon = ServiceDaemon::new()?;
        let events = daemon.browse(SERVICE)?;
        Ok(Self { daemon, events, name: format!("{}.{SERVICE}", session.mdns_instance()) })
    }

    /// Addresses that somebody announces under the name, or none for a while. `None`: there is nothing to wait for.
    pub(super) fn next(&self, within: Duration) -> Option<Vec<SocketAddr>> {
        match self.events.recv_timeout(within) {
            Ok(ServiceEvent::ServiceResolved(service)) if service.fullname == self.name => Some(addresses(&service)),
            Ok(_) => Some(Vec::new()),
            Err(_) => (!self.events.is_disconnected()).then(Vec::new),
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = ended.recv_timeout(GOODBYE);
        }
    }
}

fn addresses(service: &ResolvedService) -> Vec<SocketAddr> {
    let address = |ip: &ScopedIp| match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), service.port, 0, v6.scope_id().index).into()
        }
        ip => SocketAddr::new(ip.to_ip_addr(), service.port),
    };
    service.addresses.iter().map(address).collect()
}

const SERVICE: &str = "_zvault-pair._tcp.local.";
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
