import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '../../../core/errors.ts'

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

export interface S3Settings {
  credentials: Credentials
  region: string
  /** Of the profile or the environment; a URL of the remote may name another. */
  endpoint?: string
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * Keys, region and endpoint as the tools of AWS find them: the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
 * `AWS_ENDPOINT_URL_S3`), then the profile `AWS_PROFILE` (default `default`) in `~/.aws/credentials` and `~/.aws/config`. Single sign-on, processes that give keys and
 * the metadata of cloud hosts are not asked: `aws configure export-credentials --format env` turns those into the environment.
 * Errors: MR_REMOTE_CREDENTIALS.
 */
export async function s3Settings(env: Env, profileOfUrl?: string): Promise<S3Settings> {
  const profile = profileOfUrl ?? env.AWS_PROFILE ?? 'default'
  const files = await profileOf(env, profile)
  const at = (name: string, key: string): string | undefined => env[name] || files[key]
  const fromEnv = profileOfUrl === undefined && env.AWS_ACCESS_KEY_ID !== undefined
  const [accessKeyId, secretAccessKey, sessionToken] = fromEnv
    ? [env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN]
    : [files.aws_access_key_id, files.aws_secret_access_key, files.aws_session_token]
  if (!accessKeyId || !secretAccessKey) throw new MillraceError('MR_REMOTE_CREDENTIALS', { profile })
  const endpoint = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || files.endpoint_url
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    region: env.AWS_REGION || at('AWS_DEFAULT_REGION', 'region') || 'us-east-1',
    ...(endpoint && { endpoint }),
  }
}

async function profileOf(env: Env, profile: string): Promise<Record<string, string>> {
  const home = join(env.HOME ?? env.USERPROFILE ?? homedir(), '.aws')
  const [config, credentials] = await Promise.all([
    textOf(env.AWS_CONFIG_FILE ?? join(home, 'config')),
    textOf(env.AWS_SHARED_CREDENTIALS_FILE ?? join(home, 'credentials')),
  ])
  const named = profile === 'default' ? 'default' : `profile ${profile}`
  return { ...sectionOf(config, named), ...sectionOf(credentials, profile) }
}

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')

/** One section of an INI file; indented lines belong to a nested setting and are passed over. */
function sectionOf(text: string, name: string): Record<string, string> {
  const found: Record<string, string> = {}
  let isMine = false
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[\s*(.+?)\s*\]/.exec(line)
    if (head) isMine = head[1].replace(/\s+/g, ' ') === name
    const [, key, value] = /^([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (isMine && key !== undefined) found[key.toLowerCase()] = value
  }
  return found
}
