//! Menagerie core.
