//! What a ticket says besides its secret (SPEC section 18.2).

use crate::cbor::{Reader, Writer};
use crate::error::FormatError;
use crate::fields::{not_empty, required};
use crate::ids::{Identity, VaultId};
use crate::limits;
use crate::pairing::{Step, optional, read_settings, read_text, write_setting};
use crate::read::at_most;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a ticket says besides its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Extras {
    /// The vault that the ticket is for.
    pub vault: VaultId,
    /// The hash of [`roster_heads_input`].
    pub roster: [u8; 32],
    /// Whole seconds since 1970.
    pub expires: u64,
    /// Where the sponsor listens, best first.
    pub addresses: Vec<SocketAddr>,
    /// The store with the mailbox.
    pub store: Option<String>,
    /// The sponsor answers on the local network.
    pub mdns: bool,
    /// For a joiner without a credential: one for each flight, in order; or none.
    pub presigned: Vec<String>,
    /// Of the store, not secret: a set by name.
    pub settings: Vec<(String, String)>,
}

impl fmt::Debug for Extras {
    /// Without the presigned URLs, which are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("vault", &self.vault)
            .field("roster", &self.roster)
            .field("expires", &self.expires)
            .field("addresses", &self.addresses)
            .field("store", &self.store)
            .field("mdns", &self.mdns)
            .field("presigned", &self.presigned.len())
            .field("settings", &self.settings)
            .finish()
    }
}

impl Extras {
    /// The bytes. Refuses what `parse` would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut writer = Writer::new();
        writer.map(|map| {
            map.field(0, |w| w.bytes(&self.vault.0));
            map.field(2, |w| w.bytes(&self.roster));
            map.field(4, |w| w.uint(self.expires));
            optional(map, 6, &self.addresses, |w, address| {
                w.array(2);
                match address.ip() {
                    IpAddr::V4(ip) => w.bytes(&ip.octets()),
                    IpAddr::V6(ip) => w.bytes(&ip.octets()),
                }
                w.uint(address.port());
            });
            if let Some(store) = &self.store {
                map.field(8, |w| w.text(store));
            }
            map.field(10, |w| w.uint(self.mdns));
            optional(map, 12, &self.presigned, |w, url| w.text(url));
            optional(map, 14, &self.settings, write_setting);
        });
        let bytes = writer.finish();
        Self::parse(&bytes)?;
        Ok(bytes)
    }

    /// Reads all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "ticket";
        at_most(bytes.len(), limits::TICKET_EXTRAS, WHAT)?;
        let mut reader = Reader::new(bytes);
        let (mut vault, mut roster, mut expires, mut mdns, mut store) = (None, None, None, None, None);
        let (mut addresses, mut presigned, mut settings) = (Vec::new(), Vec::new(), Vec::new());
        reader.map(WHAT, |r, key| {
            match key {
                0 => vault = Some(VaultId(r.array_of("vault id")?)),
                2 => roster = Some(r.array_of("hash of the roster's heads")?),
                4 => expires = Some(r.u64("expiry")?),
                6 => addresses = not_empty(r.list("addresses", limits::TICKET_ADDRESSES, read_address)?)?,
                8 => store = Some(read_text(r, "URL of a store", limits::STORE_URL)?),
                10 => mdns = Some(r.flag("mDNS flag")?),
                12 => {
                    presigned = r.list("presigned URLs", Step::ALL.len(), |r| {
                        read_text(r, "presigned URL", limits::PRESIGNED_URL)
                    })?;
                    if presigned.len() != Step::ALL.len() {
                        return Err(FormatError::Invalid { what: "presigned URLs" });
                    }
                }
                14 => settings = not_empty(read_settings(r)?)?,
                _ => r.unknown(WHAT, key)?,
            }
            Ok(())
        })?;
        reader.end(WHAT)?;
        Ok(Self {
            vault: required(vault, "vault id")?,
            roster: required(roster, "hash of the roster's heads")?,
            expires: required(expires, "expiry")?,
            addresses,
            store,
            mdns: required(mdns, "mDNS flag")?,
            presigned,
            settings,
        })
    }
}

/// What the hash in a ticket is of. `heads` in any order.
pub fn roster_heads_input(heads: &[Identity]) -> Vec<u8> {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    let mut out = b"zvault v1 roster heads".to_vec();
    heads.iter().for_each(|head| out.extend_from_slice(&head.0));
    out
}

fn read_address(r: &mut Reader<'_>) -> Result<SocketAddr, FormatError> {
    const WHAT: &str = "address";
    r.tuple(WHAT, 2, |r| {
        let ip = r.bytes(WHAT, 16)?;
        let ip: IpAddr = if let Ok(ip) = <[u8; 4]>::try_from(ip) {
            Ipv4Addr::from(ip).into()
        } else if let Ok(ip) = <[u8; 16]>::try_from(ip) {
            Ipv6Addr::from(ip).into()
        } else {
            return Err(FormatError::Invalid { what: WHAT });
        };
        let port = r.uint("port", u64::from(u16::MAX))? as u16;
        Ok(SocketAddr::new(ip, port))
    })
}
