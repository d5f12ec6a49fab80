// Sends the messages on standard input (a JSON list of texts) with node-hl7-client and writes, as a JSON line each, what it
// understands of the answers. Arguments: directory of the package, port.
const [directory, port] = process.argv.slice(2);
const { Client, Message } = require(`${directory}/lib/cjs/index.js`);

async function main(texts) {
  let told;
  const client = new Client({ host: "127.0.0.1" });
  const connection = client.createConnection({ port: Number(port) }, async (response) => told(response.getMessage()));
  connection.on("error", (error) => { console.error(error); process.exit(1); });
  for (const text of texts) {
    const answer = new Promise((resolve) => { told = resolve; });
    await connection.sendMessage(new Message({ text }));
    const message = await answer;
    const found = ["MSH.9.1", "MSA.1", "MSA.2"].map((path) => message.get(path).toString());
    console.log(JSON.stringify(found));
  }
  // It keeps its connection open otherwise.
  process.exit(0);
}

let input = "";
process.stdin.on("data", (data) => { input += data; });
process.stdin.on("end", () => main(JSON.parse(input)));
