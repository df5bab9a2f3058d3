// How a picture gets from the browser to the server and its answer back: a file, the clipboard, the camera or an example.
// Pictures go to `look`, which answers with the name of the answer (token), the picture made smaller, and its faces.
const root = element.querySelector('.mm-picker');
const find = (selector) => root.querySelector(selector);
const status = find('.mm-status'), film = find('.mm-film'), video = find('video'), oneFace = find('.mm-check input');
const maxBytes = Number(root.dataset.maxBytes);
let last = null; // what was sent, to send it again when the box is ticked
let asked = 0; // number of the newest question: answers to older ones are dropped

function say(text, isError) {
  status.textContent = text;
  status.classList.toggle('mm-error', Boolean(isError));
}

// Pictures are shown by a style sheet, so that they stay when gradio writes the answer anew. It holds those of the answer
// before as well: until the new boxes arrive, the old ones lie on the old picture.
let rules = [];
function show(answer) {
  let sheet = document.getElementById('mm-pictures');
  if (!sheet) {
    sheet = document.head.appendChild(document.createElement('style'));
    sheet.id = 'mm-pictures';
  }
  const place = `[data-answer="${answer.token}"]`;
  const faces = answer.faces.map((url, i) => `${place} .mm-face-${i} { background-image: url("${url}") }`);
  const picture = `${place} .mm-picture { background-image: url("${answer.picture}") }`;
  rules = [...rules.slice(-1), [picture, ...faces].join('\n')];
  sheet.textContent = rules.join('\n');
}

function finish(token) {
  props.value = token;
  trigger('answered');
}

async function ask(query, body, name) {
  const number = ++asked;
  say('Looking …');
  root.setAttribute('aria-busy', 'true');
  let answer;
  try {
    const response = await fetch(`look?${query}`, { method: 'POST', body });
    answer = await response.json();
  } catch (error) {
    answer = { error: 'The server does not answer. Is it still running?' };
  }
  if (number !== asked) return;
  root.removeAttribute('aria-busy');
  if (answer.error) {
    say(name ? `${name}: ${answer.error}` : answer.error, true);
    finish('');
    return;
  }
  say(name || '');
  show(answer);
  finish(answer.token);
}

function send(file, name) {
  if (!file) return;
  last = null;
  if (file.size > maxBytes) {
    asked++;
    const text = `The file has ${(file.size / 1e6).toFixed(1)} MB and the limit is ${maxBytes / 1e6} MB`;
    say(`${name ? name + ': ' : ''}${text}: make the picture smaller.`, true);
    finish('');
    return;
  }
  last = { file, name };
  ask(`one_face=${oneFace.checked ? 1 : 0}`, file, name);
}

function stop() {
  for (const track of video.srcObject ? video.srcObject.getTracks() : []) track.stop();
  video.srcObject = null;
  film.hidden = true;
}

async function open() {
  if (!navigator.mediaDevices) {
    say('Browsers give the camera only to pages of this computer (localhost) and to https.', true);
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    const known = { NotAllowedError: 'The camera was not allowed.', NotFoundError: 'There is no camera.' };
    say(known[error.name] || 'The camera cannot be used: is another program using it?', true);
    return;
  }
  film.hidden = false;
  await video.play();
  say('');
  find('[data-do=take]').focus();
}

function take() {
  if (!video.videoWidth) return;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.toBlob((blob) => send(blob, 'from the camera'), 'image/jpeg', 0.95);
}

const file = find('input[type=file]');
file.addEventListener('change', () => {
  send(file.files[0], file.files[0] && file.files[0].name);
  file.value = ''; // so that the same file can be chosen again
});
oneFace.addEventListener('change', () => last && send(last.file, last.name));
find('[data-do=open]').addEventListener('click', open);
find('[data-do=take]').addEventListener('click', take);
find('[data-do=close]').addEventListener('click', stop);
for (const button of root.querySelectorAll('[data-example]')) {
  button.addEventListener('click', () => {
    last = null;
    ask(`example=${button.dataset.example}`, null, `drawn face: ${button.title}`);
  });
}
// The whole page takes what is dropped or pasted; otherwise browsers would leave it and show the file.
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  root.classList.add('mm-over');
});
document.addEventListener('dragleave', (event) => event.relatedTarget || root.classList.remove('mm-over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  root.classList.remove('mm-over');
  const dropped = event.dataTransfer.files[0];
  send(dropped, dropped && dropped.name);
});
document.addEventListener('paste', (event) => {
  const pasted = event.clipboardData.files[0];
  send(pasted, pasted && pasted.name);
});
