//! How two dumps differ.
