//! One blocking netlink socket: send a request, collect its answers or its error.
