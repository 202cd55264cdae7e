/** Sources that are addresses and not files here: what they are called without what is secret in them. */
import { shownPostgres, withoutPassword } from './postgres/address.ts'

const SCHEME = /^(https?|s3|postgres(?:ql)?):\/\//i

export const isUrl = (source: string): boolean => SCHEME.test(source)

export const isPostgres = (source: string): boolean => /^postgres(?:ql)?:\/\//i.test(source)

/** A record set of a Croissant document: `croissant:<path or address>#<record set>`; a file of the name `croissant.json` needs no such word before it. */
export const isCroissant = (source: string): boolean =>
  CROISSANT.test(source) || /(^|[/\\])croissant\.json(\?[^#]*)?(#.*)?$/i.test(source)

const CROISSANT = /^croissant:/

/** Path or address of the document, and the record set where one is named. */
export function croissantPlace(source: string): { place: string; wanted?: string } {
  const [place = '', ...wanted] = source.replace(CROISSANT, '').split('#')
  return { place, ...(wanted.length > 0 && { wanted: wanted.join('#') }) }
}

/** The same source with its document elsewhere. */
export const croissantAt = (source: string, at: (place: string) => string): string => {
  const { place, wanted } = croissantPlace(source)
  return `croissant:${at(place)}${wanted === undefined ? '' : `#${wanted}`}`
}

/** An address without a user, a password and what may be secret behind the question mark; a path as it is. */
export function shownSource(source: string): string {
  if (isCroissant(source)) return croissantAt(source, (place) => (isUrl(place) ? shownUrl(place) : place))
  if (!isUrl(source)) return source
  return isPostgres(source) ? shownPostgres(source) : shownUrl(source)
}

/** An address of http, https or s3 without a user, a password and what may be secret behind the question mark. */
export function shownUrl(address: string): string {
  const [, scheme = '', place = ''] = /^([a-z0-9]+:\/\/)(?:[^/?#]*@)?([^?#]*)/i.exec(address) ?? []
  return scheme + place
}

/** An address as it may stand in a config that others read. */
export const sourceToKeep = (source: string): string =>
  isPostgres(source) ? withoutPassword(source) : source
