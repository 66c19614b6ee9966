//! The demo MCP server inside the mcpt binary.
