//! How a bundle goes on from run to run.
