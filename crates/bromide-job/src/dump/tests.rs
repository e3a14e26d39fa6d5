//! Images that are read over several runs.
