// Expressions of faces by the emotion model of @vladmandic/human, for benchmarks/rivals.py.
// node rivals_human.cjs NODE_MODULES FACES.bin SIDE OUT.json: FACES.bin holds grey uint8 faces of SIDE x SIDE pixels.
// The package rounds probabilities down to hundredths; these are the network's own.
const fs = require('fs');
const path = require('path');

const [modules, faces, side, out] = process.argv.slice(2);
const load = (name) => require(path.join(path.resolve(modules), name));
const tf = load('@tensorflow/tfjs');
const wasm = load('@tensorflow/tfjs-backend-wasm');

(async () => {
  wasm.setWasmPaths(path.join(path.resolve(modules), '@tensorflow/tfjs-backend-wasm/dist/'));
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  const folder = path.join(path.resolve(modules), '@vladmandic/human/models');
  const { modelTopology, weightsManifest } = JSON.parse(fs.readFileSync(path.join(folder, 'emotion.json')));
  const files = weightsManifest.flatMap((group) => group.paths.map((name) => fs.readFileSync(path.join(folder, name))));
  const weightData = new Uint8Array(Buffer.concat(files)).buffer;
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  const net = await tf.loadGraphModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  const input = net.inputs[0].shape[1];
  const toGrey = tf.tensor1d([0.2989, 0.587, 0.114]);
  const bytes = fs.readFileSync(faces);
  const size = Number(side) * Number(side);
  const scores = [];
  const times = [];
  for (let start = 0; start < bytes.length; start += size) {
    const grey = tf.tensor4d(new Uint8Array(bytes.subarray(start, start + size)), [1, Number(side), Number(side), 1], 'int32');
    const rgb = tf.tile(grey, [1, 1, 1, 3]);
    const begin = process.hrtime.bigint();
    const answer = tf.tidy(() => {
      const resized = tf.image.resizeBilinear(rgb.div(255), [input, input]);
      return net.execute(resized.mul(toGrey).sum(3, true).sub(0.5).mul(2));
    });
    scores.push(Array.from(await answer.data()));
    times.push(Number(process.hrtime.bigint() - begin) / 1e6);
    tf.dispose([grey, rgb, answer]);
  }
  times.sort((a, b) => a - b);
  fs.writeFileSync(out, JSON.stringify({ scores, ms: times[Math.floor(times.length / 2)] }));
})();
