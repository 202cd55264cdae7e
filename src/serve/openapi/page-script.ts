/**
 * What the page at `/docs` does, as the browser gets it: reads the document, shows the requests of one model at a time, sends them and shows what comes back. Text of the document and of answers
 * only ever becomes text of the page, never markup. The token stays in the tab.
 */
export const DOCS_SCRIPT = String.raw`'use strict'
const el = (name, attributes = {}, ...children) => {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value)
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value)
  }
  node.append(...children.filter((child) => child !== undefined))
  return node
}
const $ = (id) => document.getElementById(id)
const token = $('token')
token.value = sessionStorage.getItem('millrace-token') ?? ''
token.addEventListener('change', () => {
  sessionStorage.setItem('millrace-token', token.value)
  void start()
})
const authorization = () => (token.value === '' ? {} : { authorization: 'Bearer ' + token.value })

let spec

async function start() {
  try {
    const answer = await fetch('openapi.json', { headers: authorization() })
    const body = await answer.json()
    if (!answer.ok) return say(body.detail + ' — ' + body.fix)
    spec = body
    show()
  } catch (error) {
    say('The server does not answer: ' + error.message)
  }
}

const say = (text) => $('main').replaceChildren(el('p', { class: 'about' }, text))
const tagNow = () => {
  const asked = decodeURIComponent(location.hash.slice(1))
  const names = spec.tags.map((tag) => tag.name)
  return names.includes(asked) ? asked : (names.find((name) => name !== 'server') ?? names[0])
}

function show() {
  const now = tagNow()
  const order = [...spec.tags].sort((a, b) => (a.name === 'server') - (b.name === 'server'))
  $('tags').replaceChildren(
    ...order.map(({ name }) =>
      el('a', { href: '#' + encodeURIComponent(name), 'aria-current': name === now ? 'page' : undefined }, name),
    ),
  )
  const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([, operation]) => operation.tags.includes(now)).map(([method, operation]) => ({ path, method, operation })),
  )
  const { description = spec.info.summary } = spec.tags.find((tag) => tag.name === now)
  $('main').replaceChildren(
    el('h2', {}, now === 'server' ? 'Server' : now),
    el('p', { class: 'about' }, description),
    ...operations.map((one, i) => card(one, i === 0 && now !== 'server')),
  )
}

function card({ path, method, operation }, open) {
  const fields = (operation.parameters ?? []).map((parameter) => ({ parameter, input: inputOf(parameter) }))
  const json = operation.requestBody?.content['application/json']
  const body = json && el('textarea', { rows: 10, spellcheck: 'false', 'aria-label': 'Body of the request' })
  if (body) {
    body.value = json.example === undefined ? '{}' : JSON.stringify(json.example, null, 2)
    body.rows = Math.min(24, Math.max(4, body.value.split('\n').length))
  }
  const status = el('span', { class: 'status', role: 'status' })
  const out = el('pre', { hidden: true, tabindex: '0', 'aria-label': 'Answer' })
  const requestOf = () => {
    const headers = { ...authorization() }
    const query = new URLSearchParams()
    for (const { parameter, input } of fields) {
      if (input.value === '') continue
      if (parameter.in === 'header') headers[parameter.name] = input.value
      else query.set(parameter.name, input.value)
    }
    if (body) headers['content-type'] = 'application/json'
    const search = query.size > 0 ? '?' + query : ''
    return { url: path + search, init: { method: method.toUpperCase(), headers, ...(body && { body: body.value }) } }
  }
  const send = async () => {
    const { url, init } = requestOf()
    const began = performance.now()
    status.className = 'status'
    status.textContent = 'asking…'
    try {
      const answer = await fetch('.' + url, init)
      const text = await answer.text()
      const ms = performance.now() - began
      status.className = answer.ok ? 'status' : 'status bad'
      status.textContent = answer.status + ' in ' + (ms < 10 ? ms.toFixed(1) : ms.toFixed(0)) + ' ms'
      out.textContent = pretty(text)
    } catch (error) {
      status.className = 'status bad'
      status.textContent = 'no answer'
      out.textContent = error.message
    }
    out.hidden = false
  }
  const copy = el('button', { type: 'button', onclick: async () => {
    const { url, init } = requestOf()
    await navigator.clipboard.writeText(curlOf(url, init))
    copy.textContent = 'Copied'
    setTimeout(() => { copy.textContent = 'Copy as curl' }, 1500)
  } }, 'Copy as curl')
  return el('details', { open },
    el('summary', {},
      el('span', { class: 'method ' + method }, method),
      el('span', { class: 'path' }, path),
      el('span', { class: 'does' }, operation.summary),
    ),
    el('div', { class: 'inside' },
      fields.length > 0 ? el('div', { class: 'fields' }, ...fields.map(({ parameter, input }) => el('label', { title: parameter.description }, parameter.name, input))) : undefined,
      body,
      el('div', { class: 'row' }, el('button', { type: 'button', class: 'send', onclick: send }, 'Send'), copy, status),
      out,
    ),
  )
}

function inputOf({ name, schema, description }) {
  if (!schema.enum) return el('input', { placeholder: description, 'aria-label': name })
  return el('select', { 'aria-label': name }, el('option', { value: '' }, 'no'), ...schema.enum.map((value) => el('option', { value }, value)))
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'"

function curlOf(url, { method, headers, body }) {
  const lines = ['curl ' + quoted(new URL('.' + url, document.baseURI).href)]
  if (method !== 'GET' && body === undefined) lines.push('-X ' + method)
  for (const [name, value] of Object.entries(headers)) lines.push('-H ' + quoted(name + ': ' + value))
  if (body !== undefined) lines.push('-d ' + quoted(pretty(body)))
  return lines.join(' \\\n  ')
}

addEventListener('hashchange', () => spec && show())
void start()
`
