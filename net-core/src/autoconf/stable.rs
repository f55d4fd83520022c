//! Addresses that are always the same on one link, and tell nothing about it elsewhere (RFC 7217).

use crate::seed::Key;
use crate::wire::MacAddr;
use core::net::Ipv6Addr;

/// The address of an interface in a prefix, after so many choices that others had (RFC 7217 §5).
pub(crate) fn stable_address(key: Key, prefix: u64, mac: MacAddr, collisions: u8) -> Ipv6Addr {
    let mut salt = 0_u8;
    loop {
        let [a, b, c, d, e, f] = mac.octets();
        let mut input = [0; 16];
        let (front, back) = input.split_at_mut(8);
        front.copy_from_slice(&prefix.to_be_bytes());
        back.copy_from_slice(&[a, b, c, d, e, f, collisions, salt]);
        let id = key.prf(&input);
        if !is_reserved(id) {
            return Ipv6Addr::from_bits(u128::from(prefix) << 64 | u128::from(id));
        }
        salt = salt.wrapping_add(1);
    }
}

/// Whether no host may choose the identifier (RFC 5453).
const fn is_reserved(id: u64) -> bool {
    id == 0
        || (id >= 0x0200_5eff_fe00_0000 && id <= 0x0200_5eff_fe00_5213)
        || id >> 7 == 0xfdff_ffff_ffff_ff80 >> 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use crate::autoconf::prefix_of;

    #[test]
    fn an_address_is_stable_for_prefix_and_interface_and_different_elsewhere() {
        let key = Seed::from_u64(7).key("stable addresses");
        let (mac, other) = (MacAddr::local(1 << 8), MacAddr::local(2 << 8));
        let prefix = 0x2001_0db8_0000_0001;
        let address = stable_address(key, prefix, mac, 0);
        assert_eq!(address, stable_address(key, prefix, mac, 0));
        assert_eq!(prefix_of(address), prefix);
        let others = [
            stable_address(key, prefix + 1, mac, 0),
            stable_address(key, prefix, other, 0),
            stable_address(key, prefix, mac, 1),
            stable_address(Seed::from_u64(8).key("stable addresses"), prefix, mac, 0),
        ];
        let id = |address: Ipv6Addr| address.to_bits() & u128::from(u64::MAX);
        assert!(others.iter().all(|&other| id(other) != id(address)));
    }

    #[test]
    fn reserved_identifiers_are_known() {
        let reserved = [
            0,
            0x0200_5eff_fe00_0001,
            0xfdff_ffff_ffff_ff80,
            0xfdff_ffff_ffff_ffff,
        ];
        assert!(reserved.into_iter().all(is_reserved));
        assert!(!is_reserved(0xfdff_ffff_ffff_ff7f) && !is_reserved(1));
    }
}
