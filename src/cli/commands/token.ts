/** `millrace token …`: tokens with scopes, models, rates and an end. Those of a project are in its store; `make` is for servers of files of tokens. */

import { type GrantText, grantText, hashOf, newSecret, readGrant } from '../../serve/access/grant.ts'
import { rateText } from '../../serve/access/rate-bucket.ts'
import type { AccessToken } from '../../serve/access/store-tokens.ts'
import { addToken, readTokens, revokeToken } from '../../serve/access/store-tokens.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { minute } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { table } from '../table.ts'

const ONCE = 'shown this once: only its hash is kept'

export async function tokenAdd(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const secret = newSecret()
  const createdAt = Date.now()
  const grant = readGrant(textOf(name, options), hashOf(secret), createdAt)
  const token: AccessToken = { kind: 'AccessToken', ...grant, createdAt }
  await addToken(rt.store, token, {
    actor: await cli.actor(),
    reason: textOption(options, 'reason') ?? 'millrace token add',
    replace: options.replace === true,
  })
  return {
    value: { ...grantText(grant), secret },
    lines: [
      `  ${cli.paint.good('✓')} ${grant.name}: ${wordsOf(token)}`,
      '',
      `  ${secret}`,
      '',
      `  ${cli.paint.dim(`${ONCE}; a server that runs takes it within a second`)}`,
      `  ${cli.paint.dim('send it as')} authorization: Bearer ${secret.slice(0, 8)}…`,
    ],
  }
}

export async function tokenList(cli: Cli): Promise<Answer> {
  const rt = await cli.open()
  const tokens = await readTokens(rt.store)
  const now = Date.now()
  const rows = tokens.map((token) => [
    token.name,
    token.scopes.join(','),
    token.models?.join(',') ?? 'all',
    token.rate ? rateText(token.rate) : 'no limit',
    token.expiresAt === undefined
      ? 'never'
      : `${minute(token.expiresAt)}${token.expiresAt <= now ? ' (over)' : ''}`,
    minute(token.createdAt),
  ])
  return {
    value: { tokens: tokens.map((token) => ({ ...grantText(token), createdAt: token.createdAt })) },
    lines:
      rows.length === 0
        ? ['  There are no tokens. Make one: millrace token add <name> --scope predict']
        : table(['token', 'scopes', 'models', 'rate', 'ends', 'made'], rows, {
            width: cli.width,
            paint: cli.paint,
          }),
  }
}

export async function tokenRevoke(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const reason = textOption(options, 'reason') ?? 'millrace token revoke'
  await revokeToken(rt.store, name as string, { actor: await cli.actor(), reason })
  return {
    value: { revoked: name },
    lines: [`  ${cli.paint.good('✓')} ${name}: revoked; servers that run refuse it within a second`],
    exit: EXIT.done,
  }
}

/** Needs no project: the secret for whoever asks, and the line for the file of `millrace serve --tokens`. */
export async function tokenMake(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const secret = newSecret()
  const grant = readGrant(textOf(name, options), hashOf(secret), Date.now())
  const line = JSON.stringify(grantText(grant))
  return {
    value: { ...grantText(grant), secret },
    lines: [
      `  ${secret}`,
      `  ${cli.paint.dim(ONCE)}`,
      '',
      `  ${cli.paint.dim('line for the file of tokens (millrace serve --tokens <file>):')}`,
      line,
    ],
  }
}

function textOf(name: unknown, options: Options): GrantText {
  const { scope, models, rate, expires, tenant } = options
  return { name, scope, models, rate, expires, tenant }
}

function wordsOf({ scopes, models, rate, expiresAt }: AccessToken): string {
  return [
    scopes.join(', '),
    models ? `models ${models.join(', ')}` : 'all models',
    rate ? rateText(rate) : 'no limit of rate',
    expiresAt === undefined ? 'without end' : `until ${minute(expiresAt)}`,
  ].join('; ')
}
