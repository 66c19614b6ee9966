//! MCP client for the CLI and for readiness checks, over rmcp.
