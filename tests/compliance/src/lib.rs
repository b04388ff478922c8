//! What the compliance tests share: a container of its own for each test, inventories, captures.
