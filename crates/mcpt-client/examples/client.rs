//! A small MCP client: `client probe URL`, `client tools URL`, `client call URL TOOL JSON`.

use std::time::{Duration, Instant};

use mcpt_client::{Client, probe};

const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let begin = Instant::now();
    match args[..] {
        ["probe", url] => println!("{:?}", probe(url, TIMEOUT).await?),
        ["tools", url] => {
            let client = Client::connect(url, TIMEOUT).await?;
            println!("{:?}", client.server());
            for tool in client.list_tools(TIMEOUT).await? {
                println!("{tool}");
            }
            client.close().await;
        }
        ["call", url, tool, arguments] => {
            let client = Client::connect(url, TIMEOUT).await?;
            let arguments = serde_json::from_str(arguments)?;
            let show = |progress| println!("{progress:?}");
            let result = client.call_tool(tool, arguments, show, TIMEOUT).await?;
            println!("{} error={}", result.raw, result.is_error());
            client.close().await;
        }
        _ => return Err("see the head of this file for what can be done".into()),
    }
    println!("{:?}", begin.elapsed());
    Ok(())
}
