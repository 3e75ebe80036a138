// Reads JSON {key, records} from stdin; prints for each record whether it verified and the PG.
import ocmf from "@road-labs/ocmf";
import noble from "@road-labs/ocmf-crypto-noble";

const { Verifier } = ocmf;
const { Crypto } = noble;

let text = "";
for await (const part of process.stdin) text += part;
const { key, records } = JSON.parse(text);
const crypto = new Crypto();
const publicKey = await crypto.decodeEcPublicKey(Buffer.from(key, "hex"), "spki-der");
const verifier = new Verifier(crypto);
const found = [];
for (const record of records) {
  try {
    const { verified, value } = await verifier.parseAndVerify(record, publicKey);
    found.push({ verified, page: verified ? value.payloadData.PG : null });
  } catch (problem) {
    found.push({ verified: false, error: String(problem) });
  }
}
console.log(JSON.stringify(found));
