//! A stdio MCP server as streamable HTTP.
