/** The OpenAPI documents, and a page to read and try them: files of this server alone, so that it works where nothing else can be reached. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { allowsModel } from '../access/grant.ts'
import { type ModelParams, sendJson } from '../http/plain-routes.ts'
import type { OipBackend } from '../oip/backend.ts'
import { openApi } from './document.ts'
import { DOCS_HTML } from './page.ts'
import { DOCS_SCRIPT } from './page-script.ts'

/** Scripts and answers come from this server alone; styles are in the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function openApiRoutes(app: FastifyInstance, backend: OipBackend, info: { version: string }): void {
  app.get('/openapi.json', async (request, reply) => {
    const { model } = request.query as { model?: string }
    const names = model === undefined ? backend.names() : [model]
    const seen = names.filter((name) => allowsModel(request.caller, name))
    return sendJson(reply, await openApi(backend, seen, { ...info, title: 'Millrace' }))
  })
  for (const path of ['/v2/models/:model/openapi.json', '/v2/models/:model/versions/:version/openapi.json'])
    app.get<{ Params: ModelParams }>(path, async ({ params: { model, version } }, reply) => {
      const { metadata } = await backend.describe(model, version)
      const title = `Model ${metadata.name}`
      return sendJson(
        reply,
        await openApi(backend, [model], { title, version: version ?? metadata.versions[0] ?? '' }),
      )
    })
  app.get('/docs', (request, reply) =>
    request.url.split('?', 1)[0].endsWith('/')
      ? reply.redirect('../docs')
      : send(reply, 'text/html; charset=utf-8', DOCS_HTML),
  )
  app.get('/docs/page.js', (_, reply) => send(reply, 'text/javascript; charset=utf-8', DOCS_SCRIPT))
}

function send(reply: FastifyReply, type: string, text: string): FastifyReply {
  return reply
    .header('content-type', type)
    .header('content-security-policy', POLICY)
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'no-referrer')
    .header('cache-control', 'no-cache')
    .send(text)
}
