//! The engine: plan, start, monitor, commands, attach.
