//! States of a container.

use std::fmt;
use std::str::FromStr;

/// The state of a container, with the numbers that travel over the command socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Nothing runs.
    #[default]
    Stopped = 0,
    /// The monitor prepares the container.
    Starting = 1,
    /// Init was executed.
    Running = 2,
    /// Init ended, the monitor cleans up.
    Stopping = 3,
    /// A start failed or init was killed.
    Aborting = 4,
    /// The freezer is at work.
    Freezing = 5,
    /// All processes are frozen.
    Frozen = 6,
    /// The freezer lets go.
    Thawed = 7,
}

/// Why a text or number is no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// An unknown name.
    #[error(
        "\"{0}\" is no container state (STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN, THAWED)"
    )]
    Text(String),
    /// An unknown number.
    #[error("{0} is no container state (0 to 7)")]
    Number(i32),
}

impl State {
    /// All states in the order of their numbers.
    pub const ALL: [State; 8] = [
        State::Stopped,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Aborting,
        State::Freezing,
        State::Frozen,
        State::Thawed,
    ];

    /// The upper case name, as tools print it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Stopping => "STOPPING",
            State::Aborting => "ABORTING",
            State::Freezing => "FREEZING",
            State::Frozen => "FROZEN",
            State::Thawed => "THAWED",
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl TryFrom<i32> for State {
    type Error = StateError;

    fn try_from(number: i32) -> Result<Self, StateError> {
        State::ALL.into_iter().find(|s| s.number() == number).ok_or(StateError::Number(number))
    }
}

impl FromStr for State {
    type Err = StateError;

    /// Upper case only, as upstream's tools accept it.
    fn from_str(text: &str) -> Result<Self, StateError> {
        State::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| StateError::Text(text.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for (number, state) in (0..).zip(State::ALL) {
            assert_eq!(state.number(), number);
            assert_eq!(State::try_from(number), Ok(state));
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!(State::try_from(8), Err(StateError::Number(8)));
        assert_eq!(State::try_from(-1), Err(StateError::Number(-1)));
        assert!("running".parse::<State>().is_err());
        assert_eq!(State::try_from(6).unwrap().as_str(), "FROZEN");
    }
}
