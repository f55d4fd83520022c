//! Which sources of a group are wanted (RFC 3376 §2, §3.2; RFC 3810 §4.1, §4.2).

use super::MembershipChange;
use crate::error::SocketError;
use alloc::vec::Vec;
use core::net::IpAddr;

/// A filter mode with its sources: these alone, or all but these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// All but `sources`, rather than these alone.
    exclude: bool,
    /// In order, each once.
    sources: Vec<IpAddr>,
}

impl Filter {
    /// Sources that the filter of a socket may name (Linux's `igmp_max_msf`).
    const MAX_SOURCES: usize = 10;
    /// Sources that the merged filter of a group may name: so many fit one report of any link. A group
    /// with more is listened to as a whole.
    pub(crate) const MAX_MERGED: usize = 64;

    /// Every source.
    pub(crate) const fn everybody() -> Self {
        Self {
            exclude: true,
            sources: Vec::new(),
        }
    }

    /// Whether `sources` are those that are not wanted.
    pub(crate) const fn excludes(&self) -> bool {
        self.exclude
    }

    /// The sources that it names.
    pub(crate) fn sources(&self) -> &[IpAddr] {
        &self.sources
    }

    /// Whether what comes from `source` is wanted.
    pub(crate) fn allows(&self, source: IpAddr) -> bool {
        self.names(source) != self.exclude
    }

    /// Whether no source is wanted: the group is not listened to.
    pub(crate) const fn is_nobody(&self) -> bool {
        !self.exclude && self.sources.is_empty()
    }

    /// Whether every source is wanted.
    pub(crate) const fn is_everybody(&self) -> bool {
        self.exclude && self.sources.is_empty()
    }

    fn names(&self, source: IpAddr) -> bool {
        self.sources.binary_search(&source).is_ok()
    }

    /// What is wanted by somebody among `filters` (RFC 3376 §3.2, RFC 3810 §4.2).
    pub(crate) fn merge<'a>(filters: impl Iterator<Item = &'a Self>) -> Self {
        let mut excluded: Option<Vec<IpAddr>> = None;
        let mut included = Vec::new();
        for filter in filters {
            if filter.is_everybody() {
                return Self::everybody();
            }
            match &mut excluded {
                _ if !filter.exclude => included.extend_from_slice(&filter.sources),
                None => excluded = Some(filter.sources.clone()),
                Some(excluded) => excluded.retain(|source| filter.names(*source)),
            }
        }
        included.sort_unstable();
        included.dedup();
        let merged = match excluded {
            Some(mut sources) => {
                sources.retain(|source| included.binary_search(source).is_err());
                Self {
                    exclude: true,
                    sources,
                }
            }
            None => Self {
                exclude: false,
                sources: included,
            },
        };
        if merged.sources.len() > Self::MAX_MERGED {
            return Self::everybody();
        }
        merged
    }

    /// What a socket's filter becomes by a change; `None` where it is no member before, or after. The
    /// errors are Linux's.
    pub(crate) fn changed(
        before: Option<&Self>,
        change: MembershipChange,
    ) -> Result<Option<Self>, SocketError> {
        const OTHER_MODE: SocketError = SocketError::InvalidInput(
            "a membership names the sources that are heard, or those that are not",
        );
        const NO_MEMBER: SocketError =
            SocketError::InvalidInput("join the group before sources of it are blocked");
        let (source, exclude, add) = match change {
            MembershipChange::Join if before.is_some() => return Err(SocketError::AddressInUse),
            MembershipChange::Join => return Ok(Some(Self::everybody())),
            MembershipChange::Leave => {
                before.ok_or(SocketError::AddressNotAvailable)?;
                return Ok(None);
            }
            MembershipChange::JoinSource(source) => (source, false, true),
            MembershipChange::LeaveSource(source) => (source, false, false),
            MembershipChange::BlockSource(source) => (source, true, true),
            MembershipChange::UnblockSource(source) => (source, true, false),
        };
        let mut filter = match before {
            Some(filter) => filter.clone(),
            None if !exclude && add => Self::default(),
            None => return Err(NO_MEMBER),
        };
        if filter.exclude != exclude && !filter.sources.is_empty() {
            return Err(OTHER_MODE);
        }
        match (filter.sources.binary_search(&source), add) {
            (Ok(_), true) | (Err(_), false) => return Err(SocketError::AddressNotAvailable),
            (Err(_), true) if filter.sources.len() >= Self::MAX_SOURCES => {
                return Err(SocketError::NoBufferSpace);
            }
            (Err(at), true) => filter.sources.insert(at, source),
            (Ok(at), false) => drop(filter.sources.remove(at)),
        }
        filter.exclude = exclude;
        Ok(Some(filter).filter(|filter| !filter.is_nobody()))
    }
}
