/** Machine words of causes (end reasons, gap reasons) in the reader's language. */
import { useI18n } from 'vue-i18n'

export function useReason(): (code: string | null | undefined) => string {
  const { t, te } = useI18n()
  return (code) => {
    if (!code) return t('reason.unknown')
    return te(`reason.${code}`, 'zh-CN') ? t(`reason.${code}`) : t('reason.other', { code })
  }
}
