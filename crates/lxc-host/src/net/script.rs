//! What the up and down scripts of a link are told. Running them is the engine's work.

use super::host::Lease;
use super::spec::LinkSpec;

/// Arguments and environment of a link's script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The last arguments: the kind of link, its link, its device on the host; one that is missing is left
    /// out, as upstream's joining them with blanks does. Hook version 0 puts `NAME net up` (or `down`)
    /// before them, version 1 nothing.
    pub arguments: Vec<String>,
    /// The variables that only hook version 1 has, beside `LXC_HOOK_TYPE` and `LXC_HOOK_SECTION`.
    pub env: Vec<(&'static str, String)>,
}

/// What the script of `link`, held by `lease`, is told.
pub fn call(link: &LinkSpec, lease: &Lease) -> Call {
    let mut arguments = vec![link.kind().to_owned()];
    let mut env = vec![("LXC_NET_TYPE", link.kind().to_owned())];
    match link {
        LinkSpec::Empty(_) | LinkSpec::None(_) => {}
        LinkSpec::Veth(veth) => {
            if let Some(parent) = &veth.host.link {
                arguments.push(parent.to_string());
                env.push(("LXC_NET_PARENT", parent.to_string()));
            }
            if let Some(peer) = lease.host_name() {
                arguments.push(peer.to_string());
                env.push(("LXC_NET_PEER", peer.to_string()));
            }
        }
    }
    Call { arguments, env }
}
