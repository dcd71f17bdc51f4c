import { compilePeers } from "../../bench/peers.ts";
import { floodService } from "./floods.ts";
await using peers = await compilePeers();
console.log(
  JSON.stringify(await floodService(peers, { kind: "wrong MAC", ratePerSecond: 50000, tries: 50 })),
);
console.log(
  JSON.stringify(await floodService(peers, { kind: "junk", ratePerSecond: 200000, tries: 50 })),
);
