//! The socket of a host, and those who connect to it.
