//! Random names and numbers of network interfaces.

use lxc_sys::Op;
use lxc_types::IfName;
use rustix::rand::{GetRandomFlags, getrandom};

/// A name for a host's end of a pair, as upstream makes them. A collision is left to the kernel to find.
pub(super) fn random_veth() -> lxc_sys::Result<IfName> {
    let mut random = [0; 6];
    fill(&mut random)?;
    Ok(IfName::veth(random))
}

/// Fills `bytes` (at most 256) from the kernel's random generator.
pub(super) fn fill(bytes: &mut [u8]) -> lxc_sys::Result<()> {
    rustix::io::retry_on_intr(|| getrandom(&mut *bytes, GetRandomFlags::empty()))
        .map(drop)
        .op("getrandom", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_names_and_differ() {
        let one = random_veth().unwrap();
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert!(one.as_str().starts_with("veth") && one.as_str().len() == 10);
        assert_ne!(one, random_veth().unwrap());
    }
}
