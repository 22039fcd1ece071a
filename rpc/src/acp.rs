//! The Agent Client Protocol (<https://agentclientprotocol.com>), over any stream of bytes.
