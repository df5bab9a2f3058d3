// Expressions of faces by @vladmandic/face-api, for benchmarks/rivals.py.
// node rivals_face_api.cjs NODE_MODULES FACES.bin SIDE OUT.json: FACES.bin holds grey uint8 faces of SIDE x SIDE pixels.
const fs = require('fs');
const path = require('path');

const [modules, faces, side, out] = process.argv.slice(2);
const load = (name) => require(path.join(path.resolve(modules), name));
const tf = load('@tensorflow/tfjs');
const wasm = load('@tensorflow/tfjs-backend-wasm');
const faceapi = load('@vladmandic/face-api/dist/face-api.node-wasm.js');

(async () => {
  wasm.setWasmPaths(path.join(path.resolve(modules), '@tensorflow/tfjs-backend-wasm/dist/'));
  wasm.setThreadsCount(1);
  await faceapi.tf.setBackend('wasm');
  await faceapi.tf.ready();
  const net = faceapi.nets.faceExpressionNet;
  await net.loadFromDisk(path.join(path.resolve(modules), '@vladmandic/face-api/model'));
  const bytes = fs.readFileSync(faces);
  const size = Number(side) * Number(side);
  const scores = [];
  const times = [];
  for (let start = 0; start < bytes.length; start += size) {
    const grey = faceapi.tf.tensor3d(new Uint8Array(bytes.subarray(start, start + size)), [Number(side), Number(side), 1], 'int32');
    const rgb = faceapi.tf.tile(grey, [1, 1, 3]);
    const begin = process.hrtime.bigint();
    const answer = await net.predictExpressions(rgb);
    times.push(Number(process.hrtime.bigint() - begin) / 1e6);
    scores.push(['neutral', 'happy', 'sad', 'angry', 'fearful', 'disgusted', 'surprised'].map((name) => answer[name]));
    grey.dispose();
    rgb.dispose();
  }
  times.sort((a, b) => a - b);
  fs.writeFileSync(out, JSON.stringify({ scores, ms: times[Math.floor(times.length / 2)] }));
})();
