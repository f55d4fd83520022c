//! The TCP Fast Open option's cookie (RFC 7413 §4.1.1).

use super::tcp_options::MAX_LEN;

/// A cookie as a SYN or SYN-ACK carries it: an even number of bytes from 4 to 16, or none at all,
/// which asks for one.
///
/// ```
/// use net_core::wire::FastOpenCookie;
/// let cookie = FastOpenCookie::new(&[1, 2, 3, 4]).unwrap();
/// assert_eq!(cookie.as_slice(), [1, 2, 3, 4]);
/// assert!(FastOpenCookie::REQUEST.is_request());
/// assert_eq!(FastOpenCookie::new(&[1, 2]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastOpenCookie {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl FastOpenCookie {
    /// The most bytes of a cookie.
    pub const MAX: usize = 16;

    /// The empty option, by which a client asks for a cookie.
    pub const REQUEST: Self = Self {
        len: 0,
        bytes: [0; Self::MAX],
    };

    /// The cookie of so many bytes; `None` where the option cannot have as many.
    #[must_use]
    pub fn new(cookie: &[u8]) -> Option<Self> {
        let good = cookie.is_empty() || cookie.len() >= 4 && cookie.len().is_multiple_of(2);
        let mut bytes = [0; Self::MAX];
        bytes
            .get_mut(..cookie.len())
            .filter(|_| good)?
            .copy_from_slice(cookie);
        let len = u8::try_from(cookie.len()).ok()?;
        Some(Self { len, bytes })
    }

    /// Whether it asks for a cookie.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }

    /// The cookie's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether its option, padded to whole words, fits behind `len` bytes of others.
    pub(crate) fn fits_behind(&self, len: usize) -> bool {
        len + self.padded_len() <= MAX_LEN
    }

    /// Bytes of the option with its padding.
    pub(crate) fn padded_len(&self) -> usize {
        (usize::from(self.len) + 2).next_multiple_of(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_an_even_number_of_bytes_from_four_to_sixteen() {
        let bytes = [7; 20];
        let lengths: std::vec::Vec<_> = (0..20)
            .filter(|&len| FastOpenCookie::new(&bytes[..len]).is_some())
            .collect();
        assert_eq!(lengths, [0, 4, 6, 8, 10, 12, 14, 16]);
    }

    #[test]
    fn the_longest_cookie_fits_beside_all_options_of_a_syn() {
        let longest = FastOpenCookie::new(&[7; 16]).unwrap();
        assert!(longest.fits_behind(20));
        assert!(!longest.fits_behind(24));
        assert!(FastOpenCookie::REQUEST.fits_behind(36));
    }
}
