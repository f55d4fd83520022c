//! The AccECN option (RFC 9768 §3.2.3).

/// Which counter stands first in an AccECN option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcnOrder {
    /// Bytes of ECT(0), CE, ECT(1).
    Ect0First,
    /// Bytes of ECT(1), CE, ECT(0).
    Ect1First,
}

/// The low 24 bits of up to three counters of payload bytes, as an AccECN option tells them.
///
/// ```
/// use net_core::wire::{EcnCounters, EcnOrder};
/// let told = EcnCounters::new(EcnOrder::Ect1First, &[5, 0x0100_0007]);
/// assert_eq!((told.ect0(), told.ce(), told.ect1()), (None, Some(7), Some(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcnCounters {
    order: EcnOrder,
    len: u8,
    fields: [[u8; 3]; Self::MAX],
}

impl EcnCounters {
    /// The most counters of an option.
    pub const MAX: usize = 3;

    /// The first so many counters in this order, at most three.
    #[must_use]
    pub fn new(order: EcnOrder, counters: &[u32]) -> Self {
        let mut told = Self {
            order,
            len: 0,
            fields: [[0; 3]; Self::MAX],
        };
        for (field, counter) in told.fields.iter_mut().zip(counters) {
            let [_, high, middle, low] = counter.to_be_bytes();
            *field = [high, middle, low];
            told.len += 1;
        }
        told
    }

    /// The counters of an option's data: whole ones, of which those that do not exist are padding
    /// (RFC 9768 §3.2.3).
    #[must_use]
    pub fn parse(order: EcnOrder, data: &[u8]) -> Self {
        let mut told = Self::new(order, &[]);
        for (field, bytes) in told.fields.iter_mut().zip(data.as_chunks::<3>().0) {
            *field = *bytes;
            told.len += 1;
        }
        told
    }

    /// In which order they stand.
    #[must_use]
    pub const fn order(&self) -> EcnOrder {
        self.order
    }

    /// The counters' bytes, in the order of the option.
    pub(super) fn fields(&self) -> &[[u8; 3]] {
        self.fields.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn field(&self, index: usize) -> Option<u32> {
        let &[high, middle, low] = self.fields().get(index)?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    /// Bytes that arrived with ECT(0).
    #[must_use]
    pub fn ect0(&self) -> Option<u32> {
        self.field(match self.order {
            EcnOrder::Ect0First => 0,
            EcnOrder::Ect1First => 2,
        })
    }

    /// Bytes that arrived with Congestion Experienced.
    #[must_use]
    pub fn ce(&self) -> Option<u32> {
        self.field(1)
    }

    /// Bytes that arrived with ECT(1).
    #[must_use]
    pub fn ect1(&self) -> Option<u32> {
        self.field(match self.order {
            EcnOrder::Ect0First => 2,
            EcnOrder::Ect1First => 0,
        })
    }

    /// Bytes of the option with so many counters, with its padding.
    pub(crate) const fn padded_len(counters: usize) -> usize {
        (2 + 3 * counters).next_multiple_of(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9768 §3.2.3: what is not a whole counter, or one too many, is padding.
    #[test]
    fn an_option_of_any_length_tells_the_whole_counters_in_it() {
        let data = [0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4];
        for (len, expected) in [
            (0, [None, None, None]),
            (2, [None, None, None]),
            (3, [Some(1), None, None]),
            (7, [Some(1), Some(2), None]),
            (9, [Some(1), Some(2), Some(3)]),
            (12, [Some(1), Some(2), Some(3)]),
        ] {
            let told = EcnCounters::parse(EcnOrder::Ect0First, &data[..len]);
            assert_eq!([told.ect0(), told.ce(), told.ect1()], expected);
            let told = EcnCounters::parse(EcnOrder::Ect1First, &data[..len]);
            assert_eq!([told.ect1(), told.ce(), told.ect0()], expected);
        }
        // §3.2.3.1: of a counter its low 24 bits.
        let told = EcnCounters::new(EcnOrder::Ect0First, &[0x0100_0007]);
        assert_eq!(told.ect0(), Some(7));
    }
}
