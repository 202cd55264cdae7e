/** A span of each traced request over HTTP, from its head to the end of its answer. Names are of OpenTelemetry's conventions for HTTP servers. */
import type { FastifyInstance } from 'fastify'
import type { RequestSpan } from '../trace/span.ts'
import type { Tracer } from '../trace/tracer.ts'
import { isHealthPath } from './guard.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a request that is traced. */
    span?: RequestSpan
  }
}

/** Health, metrics and the console are asked all the time by those who watch; nobody traces them. */
function isTraceable(path: string): boolean {
  return !isHealthPath(path) && path !== '/metrics' && !path.startsWith('/api/')
}

export function traceRequests(app: FastifyInstance, tracer: Tracer): void {
  app.decorateRequest('span', undefined)
  app.addHook('onRequest', (request, _, done) => {
    if (!request.is404 && isTraceable(request.url)) request.span = tracer.begin(request.headers)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { span, method, url, routeOptions } = request
    if (span) {
      span.name = `${method} ${routeOptions.url}`
      const attributes = {
        'http.request.method': method,
        'http.route': String(routeOptions.url),
        'url.path': url.split('?', 1)[0].slice(0, 200),
        'http.response.status_code': reply.statusCode,
      }
      span.end({ isError: reply.statusCode >= 500, attributes })
    }
    done()
  })
}
